"""Connection settings for a host that may have a foreign DestinationRule: who owns it, and adoption."""

from typing import Any

import pytest

from egress_server.domain.model.resources import ConnectionLimits, TrafficSettings
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields, object_key
from tests.support.meshes import entry
from tests.unit.targets.kubernetes.observations import cluster, found, observe, one, projected, reasons

HOST = "bank.example.com"
BANK = entry("bank", traffic=TrafficSettings(connection_limits=ConnectionLimits(max_connections=3)))
PRIVATE = entry("bank", traffic=BANK.traffic, export_to=(".",))
POLICY = {"connectionPool": {"tcp": {"maxConnections": 3}}}
OWNER = "DestinationRule/default/theirs"


def rule(name: str = "theirs", host: str = HOST, **more: Any) -> CachedObject:
    """A DestinationRule; other fields of the spec as `spec`."""
    return found("DestinationRule", name, {"host": host, **more.pop("spec", {})}, **more)


@pytest.mark.parametrize(
    "theirs",
    [
        rule(host="other.example.com"),
        rule(host="*.example.com"),
        rule(host=HOST.upper()),
        rule(namespace="shop"),
        rule(namespace="istio-system"),
        rule(spec={"exportTo": ["lab"]}),
        rule(spec={"workloadSelector": {"matchLabels": {"app": "a"}}}),
        rule(labels={"istio.io/rev": "canary"}),
    ],
)
def test_who_does_not_own_the_host(theirs: CachedObject) -> None:
    """Another host, a wildcard, a name in upper case (which Istio compares as it is); another namespace; one that our
    clients don't see, or only some workloads, or that istiod does not read."""
    projection = projected(cluster(), observe(theirs), BANK)
    assert reasons(projection) == {}
    assert one(projection, "DestinationRule")["spec"]["trafficPolicy"] == POLICY


@pytest.mark.parametrize("theirs", [rule(), rule(spec={"exportTo": ["*"]}), rule(spec={"exportTo": ["."]})])
def test_who_owns_the_host(theirs: CachedObject) -> None:
    """The entry has an obstacle, so it is neither applied nor verified."""
    projection = projected(cluster(), observe(theirs), BANK)
    assert reasons(projection) == {"bank": "FOREIGN_OWNER"}
    assert f"egressctl cluster adopt c0 {OWNER}" in projection.obstacles[BANK.name].message
    assert [obj["kind"] for obj in projection.objects] == ["ServiceEntry"]


@pytest.mark.parametrize(
    ("export_to", "age", "merges"),
    [(["*"], 1, True), (["*", "lab"], 1, True), (["*"], 9, False), ([], 1, False), (["."], 1, False)],
)
def test_one_beside_ours(export_to: list[str], age: int, merges: bool) -> None:
    """istiod merges a younger one into the managed one only if it is exported to the same namespaces or more."""
    ours = rule(f"egress-{HOST}", managed=True, age=5)
    observed = observe(ours, rule(age=age, spec={"exportTo": export_to}))
    assert reasons(projected(cluster(), observed, BANK)) == ({} if merges else {"bank": "FOREIGN_OWNER"})


def test_an_entry_without_connection_settings_is_not_affected() -> None:
    """It needs no DestinationRule."""
    assert reasons(projected(cluster(), observe(rule()), entry("bank"))) == {}


def test_adopted() -> None:
    """Our settings replace the owner's, and its subsets stay, also in the next round."""
    theirs = {"subsets": [{"name": "v1"}], "trafficPolicy": {"tls": {"mode": "SIMPLE"}}, "exportTo": ["."]}
    merged = {"host": HOST, "subsets": [{"name": "v1"}], "exportTo": ["."], "trafficPolicy": POLICY}
    first = one(projected(cluster(OWNER), observe(rule(spec=theirs)), BANK), "DestinationRule")
    assert first["spec"] == merged
    assert first["metadata"]["labels"] == {}
    previous = {"spec": {"host": HOST, **theirs}, "manager": "kubectl"}
    saved = {object_key(OWNER): SavedFields(BANK.name, merged, previous, forced=True)}
    observed = observe(rule(spec=merged), saved=saved)
    assert one(projected(cluster(OWNER), observed, BANK), "DestinationRule") == first


def test_a_namesake_for_another_host() -> None:
    """It is neither overwritten nor deleted."""
    projection = projected(cluster(), observe(rule(f"egress-{HOST}", "other.example.com")), BANK)
    assert reasons(projection) == {"bank": "FOREIGN_OWNER"}


def test_two_entries_can_not_share_an_adopted_one() -> None:
    """It has one set of settings."""
    first = entry("one", hosts=(HOST,), traffic=BANK.traffic, export_to=("shop",))
    second = entry("two", hosts=(HOST,), traffic=BANK.traffic, export_to=("lab",))
    observed = observe(rule(), namespaces={"lab": {}})
    assert reasons(projected(cluster(OWNER), observed, first, second)) == {"two": "FOREIGN_OWNER"}
