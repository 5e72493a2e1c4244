"""Replies as the server sends them."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from egress import Change, Cluster, ClusterRollout, Finding, OutboundPolicy, Plan, ServiceEntry, ServicePort
from egress.v1.change_service_pb2 import WaitChangeResponse
from egress.v1.common_pb2 import PlanGroup, PlannedObject
from egress.v1.egress_service_pb2 import SetOutboundPolicyResponse, UpsertServiceEntryResponse
from egress.v1.probe_pb2 import ProbeAttempt, ProbeCause, ProbeResponse

POLICY = OutboundPolicy(
    name="meshes/default/outboundPolicies/default",
    mode=OutboundPolicy.REGISTRY_ONLY,
    revision=17,
    update_time=Timestamp(seconds=1_700_000_000),
)
CHANGE = Change(
    name="meshes/default/changes/17",
    revision=17,
    type=Change.SET,
    resource=POLICY.name,
    actor="ada",
    reason="because [of] it",
    accept_time=Timestamp(seconds=1_700_000_000),
)
WARNING = Finding(
    code="EGR0200",
    severity=Finding.WARNING,
    field="outbound_policy.mode",
    cause="no entry exists",
    fix="add one",
)
ERROR = Finding(code="EGR0101", severity=Finding.ERROR, cause="two protocols", fix="use one", suppressible=True)
SET = SetOutboundPolicyResponse(outbound_policy=POLICY, change=CHANGE, findings=[WARNING])
PLANNED = PlannedObject(
    action=PlannedObject.UPDATE,
    kind="Sidecar",
    namespace="istio-system",
    name="default",
    diff="--- live\n+++ planned\n@@ -1 +1 @@\n-  mode: ALLOW_ANY\n+  mode: REGISTRY_ONLY\n",
)
PLAN = Plan(revision=16, groups=[PlanGroup(clusters=["a", "b"], cluster_count=3, objects=[PLANNED])])
DRY = SetOutboundPolicyResponse(outbound_policy=POLICY, findings=[WARNING], plan=PLAN)

ENTRY = ServiceEntry(
    name="meshes/default/namespaces/shop/serviceEntries/aliyun",
    hosts=["www.aliyun.com"],
    ports=[ServicePort(number=80, name="http", protocol=ServicePort.HTTP)],
    resolution=ServiceEntry.DNS,
    revision=18,
)
UPSERTED = UpsertServiceEntryResponse(
    service_entry=ENTRY, change=Change(name="meshes/default/changes/18", revision=18, resource=ENTRY.name)
)
CLUSTER = Cluster(
    name="meshes/default/clusters/local",
    labels={"env": "test"},
    local=Cluster.LocalTarget(),
    status=Cluster.Status(state=Cluster.Status.ONLINE, applied_revision=17, verified_revision=16, agents=1),
)


def waited(*states: str, reached: bool = False) -> WaitChangeResponse:
    """A wait's reply, with one cluster in each of the states."""
    rollouts = [
        ClusterRollout(
            cluster=f"meshes/default/clusters/c{number}",
            state=ClusterRollout.State.Value(state),
            error=ClusterRollout.Error(reason="WHY", message="it is so") if state in ("FAILED", "HELD") else None,
        )
        for number, state in enumerate(states)
    ]
    change = Change(name=CHANGE.name, revision=17, summary={state: states.count(state) for state in states})
    return WaitChangeResponse(change=change, reached=reached, waiting_for=[] if reached else rollouts)


def probed(*, agrees: bool | None = True) -> ProbeResponse:
    """The probe of the document: REGISTRY_ONLY and no entry."""
    return ProbeResponse(
        outcome=ProbeResponse.BLOCKED,
        expected=ProbeResponse.Expectation(outcome=ProbeResponse.BLOCKED, resource=POLICY.name, revision=17),
        agrees=agrees,
        attempts=[
            ProbeAttempt(
                status=502,
                http_version="HTTP/1.1",
                headers=[ProbeAttempt.Header(name="server", value="envoy")],
                address="192.0.2.1:80",
                captured=True,
                timings=ProbeAttempt.Timings(connect=Duration(nanos=1_500_000), total=Duration(nanos=12_300_000)),
            )
        ],
        causes=[ProbeCause(code="NO_UPSTREAM", text="no upstream was asked", evidence="counters[0] unchanged")],
        curl="curl -I http://www.aliyun.com",
        agent="local-0",
        applied_revision=17,
    )
