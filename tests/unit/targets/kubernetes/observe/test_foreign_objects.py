"""Foreign VirtualServices, DestinationRules and Sidecars in the inventory."""

from datetime import UTC, datetime
from typing import Any

from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.istio.virtual_service import RouteTarget
from egress_server.domain.model.objects import RESOURCE_ANNOTATION
from egress_server.domain.observed.inventory import MAX_RULES, Inventory
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.observe.inventory import build_inventory
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.observe.services import OtherObjects
from tests.unit.targets.kubernetes.observations import cluster, found, observe, sidecar, virtual_service

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def inventory(observation: Observation) -> Inventory:
    """Of a cluster without Services and pods."""
    return build_inventory(cluster(), observation, OtherObjects(), Survey(), NOW)


def test_a_virtual_service_is_reported_without_our_routes() -> None:
    """They are evaluated from policy."""
    ours = {"name": "ours", "fault": {"abort": {"httpStatus": 503, "percentage": {"value": 100}}}}
    theirs = {"name": "theirs", "route": [{"destination": {"host": "web"}}]}
    there = virtual_service("v", "bank.example.com", http=[ours, theirs])
    saved = SavedFields("r", {"http": [ours]}, {"manager": ""})
    [reported] = inventory(observe(there, saved={there.key: saved})).virtual_services
    assert [rule.route for rule in reported.spec.http] == [(RouteTarget("web.default.svc.cluster.local"),)]
    assert reported.hosts == reported.spec.hosts == ("bank.example.com",)


def test_a_destination_rule_is_reported() -> None:
    """With who wrote it."""
    rule = found("DestinationRule", "d", {"host": "web"}, namespace="shop", writer="helm")
    managed = found("DestinationRule", "ours", {"host": "web"}, managed=True)
    [reported] = inventory(observe(rule, managed)).destination_rules
    assert (reported.spec.host, reported.owner) == ("web.shop.svc.cluster.local", "helm")


def test_exclusions_of_a_sidecar_survive_beside_everything() -> None:
    """Without any, `*/*` restricts nothing."""
    excluding = sidecar("s", {"egress": [{"hosts": ["*/*", "~shop/a.example"]}]})
    open_ = sidecar("t", {"egress": [{"hosts": ["*/*", "shop/*"], "port": {"number": 80}}]})
    reported = {each.name: each for each in inventory(observe(excluding, open_)).sidecars}
    assert reported["s"].egress_hosts == ("*/*", "~shop/a.example")
    assert reported["t"].egress_hosts == ()
    assert reported["t"].listeners == (EgressListener(("*/*", "shop/*"), 80),)


def test_rules_are_bounded_together() -> None:
    """The oldest VirtualServices are kept, and the rest is counted."""
    rules = [{"route": [{"destination": {"host": "x"}}]}] * (MAX_RULES // 4)
    there = [virtual_service(f"v{age}", "a.example", http=rules, age=age) for age in (3, 2, 1)]
    reported = inventory(observe(*there))
    assert [each.name for each in reported.virtual_services] == ["v3", "v2"]
    assert reported.left_out == {"virtual_services": 1}


def test_managed_objects_that_compete_by_age() -> None:
    """Sidecars, and entries with a host of another one, or that is not distinguished by name; those that others wrote
    are not managed."""

    def ours(kind: str, name: str, **spec: Any) -> CachedObject:
        return found(kind, name, spec, managed=True, annotations={RESOURCE_ANNOTATION: f"resource-{name}"}, age=3)

    theirs = found("ServiceEntry", "theirs", {"hosts": ["a.example"], "ports": [{"number": 80}]})
    there = (
        ours("Sidecar", "s"),
        ours("ServiceEntry", "a", hosts=["a.example"]),
        ours("ServiceEntry", "b", hosts=["b"], ports=[{"number": 80, "protocol": "HTTP"}]),
        ours("ServiceEntry", "c", hosts=["twice"]),
        ours("ServiceEntry", "d", hosts=["twice"]),
        ours("ServiceEntry", "e", hosts=["e"], ports=[{"number": 5432, "protocol": "TCP"}]),
        ours("ServiceEntry", "f", hosts=["f"], addresses=["203.0.113.1"]),
    )
    born = datetime(2026, 5, 29, tzinfo=UTC)
    assert inventory(observe(theirs, *there)).managed_times == {f"resource-{name}": born for name in "sacdef"}
