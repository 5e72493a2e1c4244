"""Several entries for one host: whose settings and faults each namespace gets, as istiod chooses among the objects."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.objects import IstioObject, key_of
from egress_server.domain.model.resources import ConnectionLimits, Fault, Resource, ServiceEntry, TrafficSettings
from egress_server.domain.render import render
from tests.support.meshes import BIRTH, History, cluster, entry, fault

HOST = "bank.example.com"
ELSEWHERE = "elsewhere"
CLIENTS = ("a", "b", "c", ELSEWHERE, "istio-system")
_ROOT = "istio-system"


def timed(id_: str, namespace: str, seconds: float, *export_to: str, limit: int = 0) -> ServiceEntry:
    """An entry for the host with a timeout, or none if that is 0."""
    limits = ConnectionLimits(max_connections=limit) if limit else None
    traffic = TrafficSettings(timeout=seconds or None, connection_limits=limits)
    return entry(id_, namespace=namespace, hosts=(HOST,), export_to=export_to, traffic=traffic)


def rendered(*resources: Resource) -> tuple[IstioObject, ...]:
    """The objects of these resources, which were created in this order."""
    where = cluster()
    return render(effective(History(where, *resources).snapshot, where, BIRTH))


def sees(obj: IstioObject, client: str) -> bool:
    """Whether an object is exported to a namespace."""
    to, own = obj["spec"]["exportTo"], obj["metadata"]["namespace"]
    return "*" in to or client in to or ("." in to and own == client)


def service(objects: tuple[IstioObject, ...], resources: tuple[Resource, ...], client: str) -> IstioObject | None:
    """The ServiceEntry that istiod gives to a client: what is exported by name before what is exported to all, older
    ones first, but those of the client's own namespace before all others."""
    order = {resource.name: number for number, resource in enumerate(resources)}
    found = [obj for obj in objects if obj["kind"] == "ServiceEntry" and sees(obj, client)]
    found.sort(
        key=lambda obj: ("*" in obj["spec"]["exportTo"], order[obj["metadata"]["annotations"]["egress.mesh/resource"]])
    )
    own = [obj for obj in found if obj["metadata"]["namespace"] == client]
    return next(iter([*own, *found]), None)


def routes(objects: tuple[IstioObject, ...], client: str) -> list[dict[str, Any]]:
    """The routes of the VirtualService that istiod gives to a client. If there are several of the same rank, their ages
    would decide, which a test can't know."""
    ranks: dict[int, list[IstioObject]] = {}
    for obj in objects:
        if obj["kind"] == "VirtualService" and sees(obj, client):
            public = "*" in obj["spec"]["exportTo"]
            ranks.setdefault(2 if public else obj["metadata"]["namespace"] != client, []).append(obj)
    if not ranks:
        return []
    [first] = ranks[min(ranks)]
    return list(first["spec"]["http"])


def limit(objects: tuple[IstioObject, ...], provider: str, client: str) -> int:
    """The limit in the DestinationRule that istiod gives to a client; 0 if none."""
    rules = [obj for obj in objects if obj["kind"] == "DestinationRule"]
    local = [] if client == _ROOT else [r for r in rules if r["metadata"]["namespace"] == client and sees(r, client)]
    named = [[r for r in rules if r["metadata"]["namespace"] == n and sees(r, client)] for n in (provider, _ROOT)]
    found = next((each for each in (local, *named) if each), [])
    assert len(found) <= 1
    policy = found[0]["spec"].get("trafficPolicy", {}) if found else {}
    return int(policy.get("connectionPool", {}).get("tcp", {}).get("maxConnections", 0))


def test_two_private_entries() -> None:
    """Each namespace has its own objects, under the same name."""
    resources = timed("t1", "a", 1.0, "."), timed("t2", "b", 9.0, ".", limit=3)
    objects = rendered(*resources)
    assert [str(key_of(obj).namespace) for obj in objects if obj["kind"] == "VirtualService"] == ["a", "b"]
    assert {key_of(obj).name for obj in objects if obj["kind"] != "ServiceEntry"} == {f"egress-{HOST}"}
    assert [routes(objects, client)[0]["timeout"] for client in "ab"] == ["1s", "9s"]
    assert limit(objects, "b", "b") == 3
    assert routes(objects, ELSEWHERE) == []


def test_a_single_entry_keeps_its_names_and_visibility() -> None:
    """Whatever it is exported to."""
    for export_to in ((), (".",), ("b", "."), ("b", "c"), ("a",)):
        [*_, virtual] = rendered(timed("t", "a", 1.0, *export_to))
        assert (virtual["metadata"]["name"], virtual["metadata"]["namespace"]) == (f"egress-{HOST}", "a")
        assert tuple(virtual["spec"]["exportTo"]) == (export_to or ("*",))


def test_a_private_entry_is_not_affected_by_a_public_one() -> None:
    """Its clients get a VirtualService without settings, since istiod would give them the public one."""
    resources = timed("wide", "a", 1.0), timed("own", "b", 0, "."), fault(namespace="a")
    objects = rendered(*resources)
    assert "timeout" not in routes(objects, "b")[0]
    assert "fault" not in routes(objects, "b")[0]
    assert "fault" in routes(objects, ELSEWHERE)[0]


def test_no_object_without_need() -> None:
    """Entries without settings need none, however many there are."""
    assert {obj["kind"] for obj in rendered(timed("wide", "a", 0), timed("own", "b", 0, "."))} == {"ServiceEntry"}


def test_a_fault_of_a_namespace_that_uses_the_entry_of_another() -> None:
    """It affects its own workloads only, with the entry's settings."""
    objects = rendered(timed("wide", "a", 1.0), fault(namespace="b"))
    [route] = routes(objects, "b")
    assert route["name"] == "fault-b.broken=fallback"
    assert route["timeout"] == "1s"
    assert "fault" not in routes(objects, "a")[0]
    assert "fault" not in routes(objects, ELSEWHERE)[0]


def test_a_fault_of_the_entrys_namespace_affects_everyone_who_uses_it() -> None:
    """Besides a namespace's own fault."""
    theirs = fault("theirs", namespace="b", ports=(80,))
    objects = rendered(timed("wide", "a", 0), fault("owners", namespace="a"), theirs)
    assert [route["name"] for route in routes(objects, "b")] == ["fault-b.theirs", "fault-a.owners=fallback"]
    assert [route["name"] for route in routes(objects, ELSEWHERE)] == ["fault-a.owners=fallback"]


def test_a_fault_without_an_entry() -> None:
    """It affects its own namespace."""
    objects = rendered(fault(namespace="b"))
    assert "fault" in routes(objects, "b")[0]
    assert routes(objects, "a") == []


def test_a_rule_of_the_root_namespace() -> None:
    """Istio would apply it to the entries of other namespaces as well."""
    objects = rendered(timed("wide", _ROOT, 0, limit=5), timed("own", "b", 0, "."))
    assert limit(objects, "b", "b") == 0
    assert limit(objects, _ROOT, ELSEWHERE) == 5


def test_two_entries_of_a_namespace_for_different_clients() -> None:
    """Each has its objects, the younger one's with other names."""
    objects = rendered(timed("t1", "a", 1.0, "b", limit=1), timed("t2", "a", 2.0, "c", limit=2))
    assert [routes(objects, client)[0]["timeout"] for client in "bc"] == ["1s", "2s"]
    assert [limit(objects, "a", client) for client in "bc"] == [1, 2]
    assert len({key_of(obj) for obj in objects}) == len(objects) == 6


EXPORTS = st.sampled_from([(), (".",), ("a",), ("b", "c"), (".", "c"), ("*",)])
NAMESPACES = st.sampled_from(["a", "b", _ROOT])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Resource, ...]:
    """Up to four entries for the host, then up to two faults on it."""
    entries = [
        timed(f"t{n}", draw(NAMESPACES), n * draw(st.booleans()), *draw(EXPORTS), limit=n * draw(st.booleans()))
        for n in range(1, draw(st.integers(0, 4)) + 1)
    ]
    faults = [fault(f"f{n}", namespace=draw(NAMESPACES), ports=(80 + n,)) for n in range(draw(st.integers(0, 2)))]
    return (*entries, *faults)


@settings(max_examples=400)
@given(worlds(), st.sampled_from(CLIENTS))
def test_every_client_gets_its_own(resources: tuple[Resource, ...], client: str) -> None:
    """The timeout of the entry that provides the host to it; the faults of that entry's namespace and of its own; and
    the limits, unless entries of one namespace overlap."""
    objects = rendered(*resources)
    provider = service(objects, resources, client)
    name = provider["metadata"]["annotations"]["egress.mesh/resource"] if provider else ""
    namespace = provider["metadata"]["namespace"] if provider else client
    found = routes(objects, client)
    chosen = next((each for each in resources if isinstance(each, ServiceEntry) and each.name == name), None)
    expected = chosen.traffic.timeout if chosen else None
    assert {route.get("timeout") for route in found} <= {f"{expected:g}s" if expected else None}
    assert bool(found) or not expected
    active = {
        f"fault-{each.namespace}.{each.name.rpartition('/')[2]}"
        for each in resources
        if isinstance(each, Fault)
        if each.namespace in {client, namespace}
    }
    assert {route["name"] for route in found if "fault" in route} == active
    same = [each for each in resources if isinstance(each, ServiceEntry) and each.namespace == namespace]
    if chosen and len(same) == 1:
        own_limits = chosen.traffic.connection_limits
        assert limit(objects, namespace, client) == (own_limits.max_connections if own_limits else 0)


@pytest.mark.parametrize("host", ["x" * 63 + ".example.com", "*.example.com"])
def test_names_are_valid(host: str) -> None:
    """Also of hosts that can't be part of a name, and of the second object in a namespace."""
    one, two = timed("t1", "a", 1.0, "b"), timed("t2", "a", 2.0, "c")
    objects = rendered(*(replace(each, hosts=(host,)) for each in (one, two)))
    names = [obj["metadata"]["name"] for obj in objects if obj["kind"] == "VirtualService"]
    assert len(set(names)) == 2
    assert all(len(name) <= 253 and "*" not in name for name in names)
