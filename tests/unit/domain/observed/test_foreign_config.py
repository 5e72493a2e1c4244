"""Foreign configuration: names, short names, and what the egress hosts of a Sidecar import."""

from collections.abc import Mapping
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import as_held, current_obstacles, describe_obstacle, with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.istio.destination_rule import DestinationRuleSpec
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.model.clusters import MeshPolicyBackend, kubernetes_settings
from egress_server.domain.model.names import namespace_of
from egress_server.domain.model.resources import ConnectionLimits, Resource, TrafficSettings
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.foreign_config import (
    ForeignConfig,
    destination_rule_name,
    imports,
    sidecar_name,
    virtual_service_name,
)
from egress_server.domain.observed.inventory import AllocatedAddress, ForeignDestinationRule
from tests.support.inventories import AFTER, BEFORE, foreign, inventory, kubernetes, routes, service, sidecar
from tests.support.meshes import BIRTH, History, entry, policy, ports


def held(*resources: Resource) -> Effective:
    """The desired state of a Kubernetes cluster."""
    east = kubernetes()
    return effective(History(east, *resources).snapshot, east, BIRTH)


def test_without_an_inventory() -> None:
    """Without an inventory no foreign configuration is known."""
    wanted = held(entry())
    assert with_inventory(wanted, None) is wanted
    assert not wanted.foreign.known
    assert wanted.all_entries == wanted.entries


def test_what_others_have_put_there() -> None:
    """Foreign entries and Services are added under names that can't be mistaken for those of resources."""
    seen = with_inventory(
        held(entry("ours")), inventory(entries=(foreign("legacy", namespace="shop"),), services=(service(),))
    )
    ours, theirs, web = (next(e for e in seen.all_entries if e.name.endswith(end)) for end in ("ours", "legacy", "web"))
    assert (theirs.name, web.name) == ("ServiceEntry/shop/legacy", "Service/shop/web")
    assert [namespace_of(e.name) for e in (ours, theirs, web)] == ["default", "shop", "shop"]
    assert seen.create_time(theirs.name) == BEFORE < seen.create_time(ours.name)
    assert seen.entries == (ours,)
    assert seen.foreign.known
    assert seen.foreign.complete


def test_what_is_ours_by_now() -> None:
    """An entry with the name of a managed one, and an adopted one, do not count as foreign."""
    east = kubernetes(adopted=("ServiceEntry/shop/legacy", "VirtualService/shop/theirs"))
    wanted = effective(History(east, entry("bank")).snapshot, east, BIRTH)
    there = inventory(
        entries=(foreign("bank"), foreign("legacy", namespace="shop")), virtual_services=(routes("a.example.com"),)
    )
    assert with_inventory(wanted, there).all_entries == wanted.entries
    assert with_inventory(wanted, there).foreign.virtual_services == ()


def test_services_without_an_address() -> None:
    """A headless Service is only distinguished by HTTP; its other ports listen at its pods."""
    headless = service(addresses=(), ports=ports("80:HTTP", "3306:TCP"), create_time=None)
    (entry_,) = with_inventory(held(), inventory(services=(headless,))).foreign.entries
    assert entry_.ports == ports("80:HTTP")


def test_virtual_services() -> None:
    """Oldest first, with full hosts; those for gateways only are left out."""
    there = inventory(
        virtual_services=(
            routes("web", "*", born=AFTER),
            routes("a.example.com", mesh=False),
            routes("b.example.com"),
        )
    )
    seen = with_inventory(held(), there).foreign.virtual_services
    assert [vs.hosts for vs in seen] == [("b.example.com",), ("web.shop.svc.cluster.local", "*")]
    assert virtual_service_name(seen[0]) == "VirtualService/shop/theirs"


def test_everything_else_that_decides() -> None:
    """DestinationRules oldest first, without adopted ones; Services and entries as they were observed."""
    specs = [DestinationRuleSpec(host=f"{name}.example.com") for name in ("a", "b", "c")]
    rules = tuple(
        ForeignDestinationRule("shop", spec.host[0], born, spec, "helm")
        for spec, born in zip(specs, (AFTER, BEFORE, BEFORE), strict=True)
    )
    address = AllocatedAddress("default", "bank", "bank.example.com", "240.240.0.1")
    there = inventory(
        services=(service(external_name="x.example.com"),),
        entries=(foreign("legacy", namespace="shop"),),
        destination_rules=rules,
        mesh=MeshSettings(dns_capture=True),
        ignored_namespaces=("lab",),
        allocated=(address,),
    )
    east = kubernetes(adopted=("DestinationRule/shop/c",))
    seen = with_inventory(effective(History(east).snapshot, east, BIRTH), there).foreign
    assert [rule.name for rule in seen.destination_rules] == ["b", "a"]
    assert seen.describe(destination_rule_name(rules[0])) == "DestinationRule shop/a (unmanaged, last changed by helm)"
    assert seen.known_services["web.shop.svc.cluster.local"].external_name == "x.example.com"
    assert seen.foreign_entries["ServiceEntry/shop/legacy"].owner == "helm"
    assert (seen.mesh.dns_capture, seen.ignored_namespaces, seen.allocated) == (True, frozenset({"lab"}), (address,))


def test_entries_have_the_age_that_they_have_on_the_cluster() -> None:
    """It may have been registered long after they were created; other names are not taken."""
    bank, shop = entry("bank"), entry("shop")
    times = {bank.name: AFTER, "meshes/default/namespaces/default/serviceEntries/gone": AFTER}
    seen = with_inventory(held(bank, shop), inventory(managed_times=times))
    assert seen.create_time(bank.name) == AFTER
    assert seen.create_time(shop.name) == held(bank, shop).create_time(shop.name)
    assert seen.create_times.keys() == held(bank, shop).create_times.keys()


def test_service_ranges() -> None:
    """The ranges of the registration take precedence over discovered ones."""
    found = inventory(service_cidrs=("10.200.0.0/16",))
    assert with_inventory(held(), found).cluster.target.service_cidrs == ("10.200.0.0/16",)
    east = kubernetes(service_cidrs=("10.96.0.0/12",))
    wanted = effective(History(east).snapshot, east, BIRTH)
    assert with_inventory(wanted, found).cluster.target.service_cidrs == ("10.96.0.0/12",)


def test_left_out() -> None:
    """If services or entries were left out, the configuration is not complete."""
    assert not with_inventory(held(), inventory(left_out={"services": 3})).foreign.complete
    assert with_inventory(held(), inventory(left_out={"sidecars": 3})).foreign.complete


def test_descriptions() -> None:
    """Resources are described by their name, foreign objects with their field manager."""
    there = inventory(entries=(foreign("legacy", namespace="shop"),), sidecars=(sidecar(),))
    describe = with_inventory(held(), there).foreign.describe
    assert describe(entry().name) == entry().name
    assert describe("ServiceEntry/shop/legacy") == "ServiceEntry shop/legacy (unmanaged, last changed by helm)"
    assert describe(sidecar_name(sidecar())) == "Sidecar default/theirs (unmanaged, last changed by helm)"
    assert describe("ConfigMap/istio-system/istio") == "ConfigMap istio-system/istio (unmanaged)"
    assert describe("Service/shop/web") == "Service shop/web"
    assert describe("") == ""


@pytest.mark.parametrize(
    ("host", "full"),
    [
        ("web", "web.default.svc.cluster.local"),
        ("web.shop", "web.shop.svc.cluster.local"),
        ("web.shop.svc", "web.shop.svc.cluster.local"),
        ("other", "other"),
        ("web.lab", "web.lab"),
        ("web.example.com", "web.example.com"),
        ("a.b.c.d", "a.b.c.d"),
    ],
)
def test_short_names(host: str, full: str) -> None:
    """A Service is reached by the names that DNS completes for a workload of the namespace."""
    services = {(ns, "web"): f"web.{ns}.svc.cluster.local" for ns in ("default", "shop")}
    assert ForeignConfig(services=services).full_name("default", host) == full


@pytest.mark.parametrize(
    ("egress", "seen"),
    [
        ((), True),
        (("*/*",), True),
        (("./*",), False),
        (("shop/*",), True),
        (("shop/bank.example.com",), True),
        (("shop/www.example.com",), False),
        (("lab/*",), False),
        (("*/*.example.com",), True),
        (("*/*.example.org", "./*"), False),
        (("~/*",), False),
        (("*/*", "~shop/bank.example.com"), False),
        (("~shop/*.example.com", "*/*"), False),
        (("*/*", "~lab/*"), True),
    ],
)
def test_egress_hosts(egress: tuple[str, ...], seen: bool) -> None:
    """A host in another namespace is visible if an egress host matches it and none excludes it."""
    assert imports(sidecar(*egress), "default", "shop", "bank.example.com") is seen


def test_egress_hosts_and_wildcards() -> None:
    """The client's own namespace is `.`; a wildcard is visible only if everything that it matches is."""
    assert imports(sidecar("./*"), "default", "default", "bank.example.com")
    assert imports(sidecar("*/*.example.com"), "default", "shop", "*.example.com")
    assert imports(sidecar("*/*.com"), "default", "shop", "*.example.com")
    assert not imports(sidecar("*/*.bank.example.com"), "default", "shop", "*.example.com")
    assert not imports(sidecar("*/bank.example.com"), "default", "shop", "*.example.com")


LAB = policy("ALLOW_ANY", scope=Scope("lab"))
NO_LAB = Problem("NAMESPACE_MISSING", "no namespace lab")


def obstacles(phase: Phase, applied: int, **status: Any) -> Mapping[str, Problem]:
    """Of the policy, which was created in revision 3."""
    snapshot = History(kubernetes(), LAB).snapshot
    wanted = effective(snapshot, kubernetes(), BIRTH)
    assert wanted.revisions[LAB.name] == 3
    return current_obstacles(wanted, ClusterStatus("east", phase, applied, **status), snapshot)


def test_obstacles() -> None:
    """A resource that the applier could not write is not held, until it changes."""
    reported = {LAB.name: NO_LAB}
    assert obstacles(Phase.SETTLED, 3, obstacles=reported) == reported
    assert obstacles(Phase.SETTLED, 2, obstacles=reported) == {}
    assert obstacles(Phase.SETTLED, 3) == {}
    snapshot = History(kubernetes(), LAB).snapshot
    assert current_obstacles(held(LAB), None, snapshot) == {}


@pytest.mark.parametrize("phase", [Phase.HELD, Phase.FAILED, Phase.OFFLINE])
def test_what_a_cluster_does_not_hold_yet(phase: Phase) -> None:
    """A new resource, while nothing is applied; one that was there before may only be out of date."""
    problem = Problem("MASS_DELETION", "too many deletions")
    assert obstacles(phase, 2, problem=problem) == {LAB.name: problem}
    assert [each.reason for each in obstacles(phase, 2).values()] == [phase.value]
    assert obstacles(phase, 3, problem=problem) == {}


def obstacle(*held: str) -> Problem:
    """With these kinds of objects on the cluster."""
    return Problem("REFUSED", "no", held=held)


@pytest.mark.parametrize(
    ("held_kinds", "backend"),
    [(("Sidecar",), MeshPolicyBackend.SIDECAR), (("MeshConfig",), MeshPolicyBackend.MESH_CONFIG)],
)
def test_a_mesh_policy_that_is_held_in_part(held_kinds: tuple[str, ...], backend: MeshPolicyBackend) -> None:
    """The cluster enforces it the way that is left."""
    mesh = policy("REGISTRY_ONLY")
    seen = as_held(held(mesh), {mesh.name: obstacle(*held_kinds)})
    assert list(seen.outbound.values()) == [mesh]
    assert kubernetes_settings(seen.cluster).mesh_policy is backend
    assert as_held(held(mesh), {mesh.name: obstacle()}).outbound == {}


@pytest.mark.parametrize(
    ("kinds", "timeout", "limits"),
    [
        (("ServiceEntry",), None, None),
        (("DestinationRule", "ServiceEntry"), None, ConnectionLimits(7)),
        (("ServiceEntry", "VirtualService"), 1.0, None),
    ],
)
def test_an_entry_that_is_held_in_part(
    kinds: tuple[str, ...], timeout: float | None, limits: ConnectionLimits | None
) -> None:
    """Its hosts are registered, without the settings whose object is missing."""
    bank = entry("bank", traffic=TrafficSettings(timeout=1.0, connection_limits=ConnectionLimits(7)))
    [seen] = as_held(held(bank), {bank.name: obstacle(*kinds)}).entries
    assert (seen.hosts, seen.traffic) == (bank.hosts, TrafficSettings(timeout=timeout, connection_limits=limits))
    assert as_held(held(bank), {bank.name: obstacle(*(set(kinds) - {"ServiceEntry"}))}).entries == ()


def test_what_is_not_held_in_messages() -> None:
    """The part that is there, and the reason."""
    assert describe_obstacle(obstacle()) == "the cluster does not hold it (REFUSED): no"
    assert describe_obstacle(obstacle("Sidecar")) == "the cluster holds only its Sidecar (REFUSED): no"
