"""The stored form: every resource is restored unchanged, and what an older server wrote is still read."""

from datetime import UTC, datetime

import pytest

from egress_server.domain.istio.read_destination_rule import read_destination_rule
from egress_server.domain.istio.read_virtual_service import read_virtual_service
from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.istio.virtual_service import VirtualServiceSpec
from egress_server.domain.model.changes import ChangeRecord, ChangeType
from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    LocalTarget,
    Mesh,
)
from egress_server.domain.model.resources import (
    Abort,
    ConnectionLimits,
    Delay,
    Endpoint,
    Fault,
    HeaderMatch,
    Interception,
    MatchKind,
    OutboundMode,
    OutboundPolicy,
    OutlierDetection,
    Protocol,
    Resource,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.observed.inventory import (
    ForeignDestinationRule,
    ForeignSidecar,
    ForeignVirtualService,
    Inventory,
    PolicyGap,
    PolicyGapKind,
)
from egress_server.store.codec import decode_inventory, decode_record, decode_versioned, encode

AT = datetime(2026, 1, 1, tzinfo=UTC)
SELECTOR = ClusterSelector((), {"env": "prod"})
HEADERS = (HeaderMatch("a"), HeaderMatch("b", MatchKind.REGEX, "x.*"))
TRAFFIC = TrafficSettings(
    1.5,
    Retries(2, 0.5, ("5xx",)),
    (Route((WeightedDestination("a.b", 80, 100),), HEADERS),),
    TlsOrigination(80, "a.b", True),
    ConnectionLimits(1, 2.0, 3, 4),
    OutlierDetection(1, 2.0, 3.0, 4),
)
RESOURCES: list[Resource] = [
    Mesh("meshes/m", "Everything", {"team": "net"}),
    Cluster("meshes/m/clusters/c", DirectoryTarget("a/b", ("10.0.0.0/8",)), {"env": "prod"}, draining=True),
    OutboundPolicy("meshes/m/outboundPolicies/p", OutboundMode.REGISTRY_ONLY, Scope("ns", {"app": "x"}), SELECTOR),
    ServiceEntry(
        "meshes/m/namespaces/ns/serviceEntries/e",
        ("a.b",),
        (ServicePort(80, Protocol.GRPC_WEB, "web", 8080),),
        endpoints=(Endpoint("203.0.113.7", {"web": 1}),),
        traffic=TRAFFIC,
    ),
    Fault(
        "meshes/m/namespaces/ns/faults/f",
        "a.b",
        3.0,
        Delay(0.25, 12.5),
        Abort(0, "UNAVAILABLE", 0.0001),
        (80,),
        HEADERS,
        {"app": "x"},
        "ns",
        SELECTOR,
    ),
    Interception(
        "meshes/m/interceptions/i",
        Scope("ns"),
        ("10.0.0.0/8",),
        ("10.1.0.0/16",),
        True,
        False,
        (80,),
        (443,),
        SELECTOR,
    ),
]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: type(resource).__name__)
def test_every_kind_comes_back(resource: Resource) -> None:
    """With all its fields, and what the store adds."""
    versioned = decode_versioned(resource.name, b"1000 2000 7 1 " + encode(resource))
    assert versioned.resource == resource
    assert (versioned.revision, versioned.deleted) == (7, True)
    assert (versioned.create_time.timestamp(), versioned.update_time.timestamp()) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("data", "resource"),
    [
        (
            b'{"name":"meshes/m/clusters/c","target":"local","labels":{}}',
            Cluster("meshes/m/clusters/c", LocalTarget()),
        ),
        (b'{"name":"meshes/m"}', Mesh("meshes/m")),
        (
            b'{"name":"meshes/m/namespaces/n/serviceEntries/e","hosts":["a.b"],'
            b'"ports":[{"number":80,"protocol":"HTTP","name":"http"}],"to_come":1}',
            ServiceEntry("meshes/m/namespaces/n/serviceEntries/e", ("a.b",), (ServicePort(80, Protocol.HTTP, "http"),)),
        ),
    ],
)
def test_other_versions_are_read(data: bytes, resource: Resource) -> None:
    """Fields that were added later have a default; unknown fields are ignored."""
    assert decode_versioned(resource.name, b"1 1 1 0 " + data).resource == resource


def test_escapes_of_0_1_0_are_policy_gaps() -> None:
    """The old name is replaced as a field or a count of one, and nowhere else."""
    gap = PolicyGap(PolicyGapKind.EXCLUDED, "Pod", "shop", "web", "port 443 is excluded")
    sidecar = ForeignSidecar("shop", "theirs", AT, {"escapes": "label"})
    inventory = Inventory(
        "east", AT, policy_gaps=(gap,), sidecars=(sidecar,), left_out={"policy_gaps": 3, "services": 1}
    )
    assert decode_inventory(encode(inventory)) == inventory
    old = encode(inventory).replace(b'"policy_gaps":', b'"escapes":')
    assert decode_inventory(old) == inventory


def test_an_inventory_with_rules_is_stored() -> None:
    """VirtualServices, DestinationRules and Sidecars with all they contain; 0.1.0 stored none of their rules."""
    match = {"headers": {"x": {"exact": "1"}}, "uri": {"prefix": "/"}}
    fault = {"delay": {"fixedDelay": "1s", "percent": 1}, "abort": {"httpStatus": 500, "percentage": {"value": 1}}}
    spec = read_virtual_service({"hosts": ["a"], "http": [{"match": [match], "fault": fault}], "tls": [{}]}, "shop")
    policy = {"tls": {"mode": "SIMPLE"}, "portLevelSettings": [{"port": {"number": 80}}]}
    rule = read_destination_rule({"host": "a", "trafficPolicy": policy, "subsets": [{"name": "v"}]}, "shop")
    inventory = Inventory(
        "east",
        AT,
        virtual_services=(ForeignVirtualService("shop", "v", ("a",), AT, spec=spec),),
        destination_rules=(ForeignDestinationRule("shop", "d", AT, rule),),
        sidecars=(ForeignSidecar("shop", "s", AT, listeners=(EgressListener(("*/*",), 80),)),),
    )
    assert decode_inventory(encode(inventory)) == inventory
    old = b'{"cluster":"east","observe_time":"2026-01-01T00:00:00Z","virtual_services":[%s]}' % (
        b'{"namespace":"shop","name":"v","hosts":["a"],"create_time":"2026-01-01T00:00:00Z"}'
    )
    assert decode_inventory(old).virtual_services[0].spec == VirtualServiceSpec()


def test_rollbacks_of_0_1_0_are_reverts() -> None:
    """Change records call a revert ROLLBACK there."""
    record = ChangeRecord(ChangeType.REVERT, "meshes/m", "user:alice", "r")
    assert decode_record(encode(record).replace(b"REVERT", b"ROLLBACK")) == record
