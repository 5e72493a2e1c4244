"""How responses are written: resources with their etag, changes, rollouts, plans, probes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from egress_server.commands.changes.history import ChangePage, ChangeState, RolloutPage, Waited, WaitResult
from egress_server.commands.clusters.clusters import FoundClusters
from egress_server.commands.mutate import MutationOutcome, mutate
from egress_server.commands.probe import JudgedAttempt, ProbeResult
from egress_server.commands.read import ReadResult
from egress_server.domain.model.changes import Change, ChangeRecord, ChangeType, Versioned, make_etag
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.rollout import Rollout, RolloutState
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.probe.agreement import summarize
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, Timings
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Expectation, Upstream, quantiles
from egress_server.domain.probe.verdicts import Outcome as ProbeOutcome
from egress_server.ports.agents import AgentInfo
from egress_server.wire import METHODS
from tests.support.meshes import cluster, entry, policy, ports
from tests.unit.commands.fakes import CALLER, World, setting
from tests.unit.wire.decoding import path_of

BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 10, 20, 30, 123456, tzinfo=UTC)
FINDING = Finding("EGR0101", Severity.ERROR, "ports[0].protocol", "cause", "fix", "meshes/a", True, ("IST0177",))
TIMES = {"createTime": "2026-01-01T00:00:00Z", "updateTime": "2026-11-23T10:20:30.123Z"}


def written(name: str, result: object) -> dict[str, Any]:
    """The JSON of a method's response."""
    message: Message = METHODS[path_of(name)].encode(result)
    assert type(message) is METHODS[path_of(name)].response_type
    return MessageToDict(message)


def versioned(resource: Resource) -> Versioned[Resource]:
    """As of revision 7."""
    return Versioned(resource, 7, BIRTH, NOW)


def change(resource: Resource, **record: Any) -> Change:
    """Revision 7, after revision 4."""
    whole = {"type": ChangeType.SET, "resource": resource.name, "actor": "user:a", "request_id": "r", **record}
    return Change("default", 7, 4, NOW, ChangeRecord(**whole))


POLICY = policy("REGISTRY_ONLY", scope=Scope("prod", {"a": "b"}), cluster_selector=ClusterSelector(("east",)))
POLICY_JSON = {
    "name": "meshes/default/outboundPolicies/all",
    "mode": "REGISTRY_ONLY",
    "scope": {"namespace": "prod", "matchLabels": {"a": "b"}},
    "clusterSelector": {"clusters": ["east"]},
    "etag": make_etag("epoch-1", 7),
    "revision": "7",
    **TIMES,
}
EAST_JSON = {
    "name": "meshes/default/clusters/east",
    "labels": {"env": "prod"},
    "local": {},
    "etag": make_etag("epoch-1", 7),
    "revision": "7",
    "status": {},
    **TIMES,
}


def test_a_resource_has_its_etag_and_times() -> None:
    """Times in milliseconds, as in the store."""
    assert written("GetOutboundPolicy", ReadResult("epoch-1", (versioned(POLICY),))) == POLICY_JSON


def test_an_entry_is_written_by_istios_words() -> None:
    """Protocols and resolutions with the contract's names."""
    bank = entry("bank", ports=ports("80:GRPC-WEB"))
    found = written("GetServiceEntry", ReadResult("epoch-1", (versioned(bank),)))
    assert found["ports"] == [{"number": 80, "name": "grpc-web-80", "protocol": "GRPC_WEB"}]
    assert (found["resolution"], found["location"]) == ("NONE", "MESH_EXTERNAL")


def test_what_says_nothing_is_left_out() -> None:
    """The mesh's scope and the selector of all clusters."""
    found = written("GetOutboundPolicy", ReadResult("epoch-1", (versioned(policy("ALLOW_ANY")),)))
    assert found.keys() == {"name", "mode", "etag", "revision", "createTime", "updateTime"}


@pytest.mark.parametrize(
    ("name", "field", "resource"),
    [("ListOutboundPolicies", "outboundPolicies", POLICY), ("ListServiceEntries", "serviceEntries", entry("bank"))],
)
def test_a_page_has_resources_and_a_token(name: str, field: str, resource: Resource) -> None:
    """Empty on the last page."""
    found = written(name, ReadResult("epoch-1", (versioned(resource),), "token"))
    assert [one["name"] for one in found[field]] == [resource.name]
    assert found["nextPageToken"] == "token"
    assert written(name, ReadResult("epoch-1", ())) == {}


def test_a_mutation_answers_with_resource_change_and_findings() -> None:
    """And no plan."""
    record = change(POLICY, reason="why", trace_id="ab", findings=(FINDING,))
    outcome = MutationOutcome(versioned(POLICY), "epoch-1", record, (FINDING,))
    finding = {
        "code": "EGR0101",
        "severity": "ERROR",
        "field": "ports[0].protocol",
        "resource": "meshes/a",
        "cause": "cause",
        "fix": "fix",
        "suppressible": True,
        "relatedCodes": ["IST0177"],
    }
    assert written("SetOutboundPolicy", outcome) == {
        "outboundPolicy": POLICY_JSON,
        "change": {
            "name": "meshes/default/changes/7",
            "revision": "7",
            "type": "SET",
            "resource": POLICY.name,
            "previousRevision": "4",
            "actor": "user:a",
            "reason": "why",
            "requestId": "r",
            "acceptTime": "2026-11-23T10:20:30.123Z",
            "durability": "LOCAL",
            "traceId": "ab",
            "findings": [finding],
        },
        "findings": [finding],
    }
    assert written("DeleteOutboundPolicy", outcome) == written("SetOutboundPolicy", outcome)


@pytest.mark.parametrize(
    ("name", "field", "resource"),
    [
        ("UpsertServiceEntry", "serviceEntry", entry("bank")),
        ("DeleteServiceEntry", "serviceEntry", entry("bank")),
        ("RegisterCluster", "cluster", cluster("east")),
    ],
)
def test_every_mutation_answers_alike(name: str, field: str, resource: Resource) -> None:
    """Only the resource differs."""
    outcome = MutationOutcome(versioned(resource), "epoch-1", change(resource), (FINDING,))
    found = written(name, outcome)
    assert found.keys() == {field, "change", "findings"}
    assert found[field]["name"] == resource.name


async def test_a_plan_is_a_diff_that_people_read() -> None:
    """In YAML, per object, with up to ten cluster names and the count of all."""
    before = entry("bank", namespace="prod")
    world = World.of(*(cluster(f"c{i:02}") for i in range(12)), before)
    after = replace(before, hosts=("new.example.com",))
    outcome = await mutate(world.services, CALLER, setting(after, validate_only=True))
    found = written("UpsertServiceEntry", outcome)
    assert "change" not in found
    (group,) = found["plan"]["groups"]
    assert (group["clusters"], group["clusterCount"]) == ([f"c{i:02}" for i in range(10)], 12)
    (planned,) = group["objects"]
    diff = planned.pop("diff")
    assert planned == {"action": "UPDATE", "kind": "ServiceEntry", "namespace": "prod", "name": "bank"}
    assert diff.startswith("--- before\n+++ after\n")
    assert "-  - bank.example.com\n+  - new.example.com\n" in diff


def test_a_registered_cluster_shows_what_is_known_of_it() -> None:
    """Its status as reported by appliers, and its agents."""
    status = ClusterStatus(
        "east",
        Phase.HELD,
        applied_revision=6,
        verified_revision=5,
        last_seen_time=NOW,
        problem=Problem("STORE_REWOUND", "the store was restored"),
    )
    east = cluster("east", env="prod")
    found = FoundClusters(ReadResult("epoch-1", (versioned(east),), "token"), {"east": status}, {}, {"east": 2})
    whole = {
        **EAST_JSON,
        "status": {
            "state": "HELD",
            "reason": "STORE_REWOUND",
            "message": "the store was restored",
            "appliedRevision": "6",
            "verifiedRevision": "5",
            "lastSeenTime": "2026-11-23T10:20:30.123Z",
            "agents": 2,
        },
    }
    assert written("GetCluster", found) == whole
    assert written("ListClusters", found) == {"clusters": [whole], "nextPageToken": "token"}
    unknown = FoundClusters(ReadResult("epoch-1", (versioned(east),)), {}, {}, {"east": 0})
    assert written("GetCluster", unknown) == EAST_JSON


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_a_state(phase: Phase) -> None:
    """A cluster whose apply failed is reachable nevertheless."""
    found = FoundClusters(
        ReadResult("epoch-1", (versioned(cluster("east")),)), {"east": ClusterStatus("east", phase)}, {}, {"east": 0}
    )
    expected = {Phase.OFFLINE: "OFFLINE", Phase.HELD: "HELD"}.get(phase, "ONLINE")
    assert written("GetCluster", found)["status"]["state"] == expected


@pytest.mark.parametrize("type_", list(ChangeType))
def test_every_type_of_change_is_written(type_: ChangeType) -> None:
    """By its name; lists omit the summary."""
    one = change(POLICY, type=type_)
    (found,) = written("ListChanges", ChangePage((one,), ""))["changes"]
    assert found["type"] == type_.value
    assert "summary" not in found


def test_a_change_counts_its_rollouts() -> None:
    """By state."""
    rollouts = tuple(Rollout(cluster(f"c{i}"), state) for i, state in enumerate([RolloutState.APPLIED] * 2))
    rollouts += (Rollout(cluster("x"), RolloutState.FAILED),)
    found = written("GetChange", ChangeState(change(POLICY), rollouts))
    assert found["summary"] == {"APPLIED": 2, "FAILED": 1}


@pytest.mark.parametrize("state", list(RolloutState))
def test_every_state_of_a_rollout_is_written(state: RolloutState) -> None:
    """By name. A cluster without a report has nothing else."""
    found = written("ListClusterRollouts", RolloutPage((Rollout(cluster("east"), state),), ""))
    assert found == {"clusterRollouts": [{"cluster": "meshes/default/clusters/east", "state": state.value}]}


def test_a_rollout_says_how_far_and_why() -> None:
    """Three clocks, and the error with the time of the next attempt."""
    status = ClusterStatus(
        "east",
        Phase.FAILED,
        applied_revision=6,
        apply_time=BIRTH,
        verify_time=BIRTH,
        last_seen_time=NOW,
        stale_workloads=3,
    )
    rollout = Rollout(cluster("east"), RolloutState.FAILED, status, Problem("REFUSED", "no", NOW))
    assert written("ListClusterRollouts", RolloutPage((rollout,), "t")) == {
        "clusterRollouts": [
            {
                "cluster": "meshes/default/clusters/east",
                "state": "FAILED",
                "appliedRevision": "6",
                "applyTime": "2026-01-01T00:00:00Z",
                "verifyTime": "2026-01-01T00:00:00Z",
                "error": {"reason": "REFUSED", "message": "no", "retryTime": "2026-11-23T10:20:30.123Z"},
                "lastSeenTime": "2026-11-23T10:20:30.123Z",
                "staleWorkloads": 3,
            }
        ],
        "nextPageToken": "t",
    }


def test_a_wait_names_up_to_ten_that_are_behind() -> None:
    """However many there are."""
    behind = tuple(Rollout(cluster(f"c{i}"), RolloutState.PENDING) for i in range(12))
    found = written("WaitChange", Waited(ChangeState(change(POLICY), behind), WaitResult.TIMED_OUT, behind))
    assert len(found["waitingFor"]) == 10
    assert found["change"]["summary"] == {"PENDING": 12}
    assert "reached" not in found
    assert found["result"] == "TIMED_OUT"


def test_a_wait_that_ended_well() -> None:
    """With what the verification leaves out."""
    partly = Rollout(
        cluster("east"), RolloutState.VERIFIED, problem=Problem("PARTLY_PROBED", "not probed: ports 3306 (TCP)")
    )
    rollouts = (Rollout(cluster("east"), RolloutState.VERIFIED), *[partly] * 12)
    found = written("WaitChange", Waited(ChangeState(change(POLICY), rollouts), WaitResult.REACHED, ()))
    assert (found["reached"], found["result"]) == (True, "REACHED")
    assert len(found["partlyVerified"]) == 10
    assert found["partlyVerified"][0]["error"]["reason"] == "PARTLY_PROBED"


def test_a_wait_for_no_cluster() -> None:
    """It is not reached: nothing is applied anywhere."""
    found = written("WaitChange", Waited(ChangeState(change(POLICY), ()), WaitResult.NO_CLUSTERS, ()))
    assert "reached" not in found
    assert found["result"] == "NO_CLUSTERS"


def probed(destination: Destination, evidence: Evidence, expected: Expectation, **attempt: Any) -> dict[str, Any]:
    """The response to a probe."""
    agent = AgentInfo("a1", "east", "default", "east", "1")
    verdict = judge(destination, evidence)
    made, counted = (JudgedAttempt(evidence, verdict),), summarize([verdict], expected)
    times = quantiles([evidence.timings.total] if evidence.timings.total else [])
    asked = Attempt(destination, **attempt)
    return written("Probe", ProbeResult(agent, asked, made, counted, times, expected, 7))


def test_a_probe_answers_with_verdict_and_evidence() -> None:
    """Outcome and expectation, whether they agree, the attempt, the causes, and the equivalent command."""
    evidence = Evidence(
        captured=True,
        status=502,
        http_version="HTTP/1.1",
        headers=(("server", "envoy"),),
        timings=Timings(total=0.0123456),
        address="203.0.113.7:80",
    )
    expected = Expectation(ProbeOutcome.BLOCKED, POLICY.name, 7)
    found = probed(Destination("http", "a.b", 80), evidence, expected)
    causes = found.pop("causes")
    assert [cause["code"] for cause in causes] == ["BLOCKED_HTTP"]
    assert found == {
        "outcome": "BLOCKED",
        "expected": {"outcome": "BLOCKED", "resource": POLICY.name, "revision": "7"},
        "agrees": True,
        "attempts": [
            {
                "status": 502,
                "httpVersion": "HTTP/1.1",
                "headers": [{"name": "server", "value": "envoy"}],
                "timings": {"total": "0.012346s"},
                "address": "203.0.113.7:80",
                "captured": True,
                "outcome": "BLOCKED",
            }
        ],
        "counts": {"BLOCKED": 1},
        "quantiles": dict.fromkeys(("min", "p50", "p90", "p99", "max"), "0.012346s"),
        "curl": "curl -sSI --max-time 10 http://a.b/",
        "agent": "a1",
        "appliedRevision": "7",
    }


def test_disagreement_is_written_out() -> None:
    """False is a result, not a missing field, as it is if that is unknown."""
    destination, evidence = (
        Destination("http", "a.b", 80),
        Evidence(captured=True, address="203.0.113.7:80", status=502),
    )
    found = probed(destination, evidence, Expectation(ProbeOutcome.REGISTERED))
    assert (found["outcome"], found["agrees"]) == ("BLOCKED", False)
    unknown = probed(destination, Evidence(captured=True), Expectation(ProbeOutcome.REGISTERED))
    assert (unknown["outcome"], "agrees" in unknown) == ("INCONCLUSIVE", False)
    unpredicted = probed(destination, evidence, Expectation(ProbeOutcome.INCONCLUSIVE))
    assert (unpredicted["outcome"], "agrees" in unpredicted) == ("BLOCKED", False)


def test_an_expectation_is_written_in_full() -> None:
    """With the other outcomes that agree, the upstreams, the owner of the route and the share of a fault."""
    expected = Expectation(
        *(ProbeOutcome.FAULTED, "x", 3, (ProbeOutcome.REGISTERED,), (Upstream("a.b", 80, "v1"),), "shop/x", 0.25)
    )
    found = probed(Destination("http", "a.b", 80), Evidence(captured=True), expected)
    assert found["expected"] == {
        "outcome": "FAULTED",
        "resource": "x",
        "revision": "3",
        "also": ["REGISTERED"],
        "upstreams": [{"host": "a.b", "port": 80, "subset": "v1"}],
        "routedBy": "shop/x",
        "faultPercent": 0.25,
    }


@pytest.mark.parametrize(
    ("destination", "attempt", "curl"),
    [
        (Destination("https", "a.b", 443), {}, "curl -sSI -k --http1.1 --max-time 10 https://a.b/"),
        (Destination("http", "a.b", 81, "/x?y=z&q='"), {}, "curl -sSI --max-time 10 'http://a.b:81/x?y=z&q='\"'\"''"),
        (Destination("http", "a.b", 80), {"method": "GET"}, "curl -sS -o /dev/null -D - --max-time 10 http://a.b/"),
        (
            Destination("http", "a.b", 80),
            {"headers": {"X-A": "$(id) '"}, "timeout": 1.5},
            "curl -sSI -H 'X-A: $(id) '\"'\"'' --max-time 1.5 http://a.b/",
        ),
        (
            Destination("http", "a.b", 80),
            {"resolve": "203.0.113.7"},
            "curl -sSI --resolve a.b:80:203.0.113.7 --max-time 10 http://a.b/",
        ),
    ],
)
def test_the_same_can_be_asked_with_curl(destination: Destination, attempt: dict[str, Any], curl: str) -> None:
    """Quoted for a shell, whatever is in it."""
    expected = Expectation(ProbeOutcome.REGISTERED)
    assert probed(destination, Evidence(captured=False), expected, **attempt)["curl"] == curl
