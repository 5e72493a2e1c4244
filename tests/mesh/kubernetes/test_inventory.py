"""Foreign objects on a cluster."""

from typing import Any

from egress_server.domain.istio.destination_rule import TlsMode
from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.istio.virtual_service import RouteTarget
from egress_server.domain.model.resources import Delay, Protocol, Resolution
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Inventory, KnownService, PolicyGapKind
from egress_server.ports.target import Live
from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.cluster.istio_objects import service
from tests.mesh.kubernetes.conftest import RANGES
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import entry, fault, policy

ISTIO = "/apis/networking.istio.io/v1"


def write(
    api: Api, kind: str, name: str, spec: dict[str, Any], namespace: str = "shop", labels: dict[str, str] | None = None
) -> None:
    """An unmanaged object."""
    path = f"{ISTIO}/namespaces/{namespace}/{kind.lower()}".replace("entry", "entrie")
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    made = {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
    api.post(f"{path}s?fieldManager=kubectl-edit", made)


def services_in(live: Live) -> tuple[KnownService, ...]:
    """Of its inventory."""
    return live.inventory.services if live.inventory else ()


async def inventory(driver: Driver) -> Inventory:
    """As of now."""
    found = (await driver.live()).inventory
    assert found is not None
    return found


async def test_a_cluster_tells_what_it_is(driver: Driver) -> None:
    """Versions, ranges, namespaces; and whatever it does not say is empty."""
    found = await inventory(driver)
    assert found.cluster == "c0"
    assert set(found.service_cidrs) == {RANGES.v4, RANGES.v6}
    assert {"default", "shop", "istio-system", "kube-system"} <= set(found.namespaces)
    assert found.capabilities.kubernetes_version.startswith("v1.")
    assert found.capabilities.mutating_admission_policy
    assert found.capabilities.service_cidr_api
    assert found.capabilities.missing_kinds == ()
    assert (found.capabilities.istio_version, found.mesh_mode, found.injector) == ("", "", {})


async def test_services_are_known_by_host_ports_and_addresses(driver: Driver, api: Api) -> None:
    """The API server's own among them."""
    ports = [
        {"name": "http-web", "port": 80, "targetPort": 8080},
        {"name": "db", "port": 3306, "appProtocol": "mysql"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]
    annotations = {"networking.istio.io/exportTo": "., lab"}
    metadata = {"name": "web", "namespace": "shop", "annotations": annotations}
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}})
    await driver.until(lambda live: any(service.name == "web" for service in services_in(live)))
    services = {service.host: service for service in (await inventory(driver)).services}
    web = services["web.shop.svc.cluster.local"]
    assert [(port.number, port.protocol) for port in web.ports] == [
        (80, Protocol.HTTP),
        (3306, Protocol.MYSQL),
        (53, Protocol.UDP),
    ]
    assert web.export_to == (".", "lab")
    assert len(web.addresses) == 1
    assert services["kubernetes.default.svc.cluster.local"].ports[0].protocol is Protocol.HTTPS


async def test_inventory_has_foreign_objects_only(driver: Driver, api: Api) -> None:
    """Entries, routes and Sidecars, with who wrote them."""
    http = [{"number": 80, "name": "http", "protocol": "HTTP"}, {"number": 27017, "name": "x", "protocol": "MYSQL"}]
    write(api, "ServiceEntry", "theirs", {"hosts": ["X.example"], "ports": http, "resolution": "DNS"})
    broken = {"delay": {"fixedDelay": "1s", "percentage": {"value": 1}}}
    route = {"fault": broken, "route": [{"destination": {"host": "x"}}]}
    write(api, "VirtualService", "routes", {"hosts": ["reviews", "y.example"], "http": [route]})
    write(api, "VirtualService", "moved", {"hosts": ["v.example"], "http": [{"redirect": {"uri": "/"}}]})
    narrow = {**route, "match": [{"uri": {"prefix": "/x"}}]}
    write(api, "VirtualService", "narrow", {"hosts": ["w.example"], "http": [narrow]})
    write(api, "VirtualService", "gate", {"hosts": ["z.example"], "gateways": ["gw"], "http": [route]})
    write(api, "Sidecar", "narrow", {"egress": [{"hosts": ["./*"]}], "outboundTrafficPolicy": {}})
    await driver.reconcile(entry("bank"), fault("broken"), policy("REGISTRY_ONLY"))
    found = await inventory(driver)
    [theirs] = found.entries
    assert theirs.entry.name == "meshes/default/namespaces/shop/serviceEntries/theirs"
    assert (theirs.entry.hosts, theirs.entry.resolution) == (("X.example",), Resolution.DNS)
    assert theirs.owner == "kubectl-edit"
    assert [port.protocol for port in theirs.entry.ports] == [Protocol.HTTP, Protocol.MYSQL]
    routes = {each.name: each for each in found.virtual_services}
    assert routes.keys() == {"routes", "gate", "moved", "narrow"}
    assert [routes[name].spec.http[0].answers for name in ("routes", "moved")] == ["", "redirect"]
    assert routes["routes"].hosts == ("reviews.shop.svc.cluster.local", "y.example")
    assert (routes["routes"].mesh, routes["gate"].mesh) == (True, False)
    assert routes["routes"].spec.http[0].delay == Delay(1.0, 1.0)
    [sidecar] = found.sidecars
    assert (sidecar.mode, sidecar.egress_hosts, sidecar.owner) == ("REGISTRY_ONLY", ("./*",), "kubectl-edit")


async def test_what_decides_about_connections_is_known(driver: Driver, api: Api) -> None:
    """Rules, listeners, DestinationRules, what serves a Service, and selected workloads."""
    route = {"match": [{"uri": {"prefix": "/x"}}], "route": [{"destination": {"host": "web", "subset": "v1"}}]}
    write(api, "VirtualService", "routes", {"hosts": ["y.example"], "http": [route]})
    policy_ = {"tls": {"mode": "SIMPLE"}}
    write(api, "DestinationRule", "rule", {"host": "web", "trafficPolicy": policy_})
    write(api, "Sidecar", "ports", {"egress": [{"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*/*"]}]})
    selecting = {"hosts": ["db.example"], "ports": [{"number": 3306, "name": "db"}], "resolution": "STATIC"}
    write(api, "ServiceEntry", "db", {**selecting, "workloadSelector": {"labels": {"app": "db"}}})
    write(api, "WorkloadEntry", "vm", {"address": "203.0.113.7", "labels": {"app": "db"}})
    for each in service("web", "tcp:3306", at="203.0.113.8"):
        api.create(each)
    await driver.until(
        lambda live: (
            live.inventory is not None
            and any(each.endpoint_addresses == ("203.0.113.8",) for each in live.inventory.services)
            and any(each.selected_addresses == ("203.0.113.7",) for each in live.inventory.entries)
        )
    )
    found = await inventory(driver)
    [routes] = found.virtual_services
    assert routes.spec.http[0].route == (RouteTarget("web.shop.svc.cluster.local", subset="v1"),)
    [rule] = found.destination_rules
    assert (rule.spec.host, rule.spec.policy.tls) == ("web.shop.svc.cluster.local", TlsMode.SIMPLE)
    [sidecar] = found.sidecars
    assert sidecar.listeners == (EgressListener(("*/*",), 80, "HTTP"),)


async def test_an_object_of_another_revision_is_ignored(driver: Driver, api: Api) -> None:
    """It is listed with the reason, and our policy does not go into it."""
    write(api, "Sidecar", "canary", {}, "default", labels={"istio.io/rev": "canary"})
    await driver.until(lambda live: live.inventory is not None and bool(live.inventory.ignored))
    found = await inventory(driver)
    assert [(each.kind, each.name) for each in found.ignored] == [("Sidecar", "canary")]
    assert found.sidecars == ()
    assert await driver.reconcile(policy("REGISTRY_ONLY", scope=Scope("default"))) == {}
    assert "outboundTrafficPolicy" not in api.get(f"{ISTIO}/namespaces/default/sidecars/canary")["spec"]


async def test_our_fields_in_foreign_objects_are_not_reported(driver: Driver, api: Api) -> None:
    """A Sidecar is reported as it was, a VirtualService without our faults."""
    route = {"route": [{"destination": {"host": "bank.example.com"}}]}
    write(api, "VirtualService", "routes", {"hosts": ["bank.example.com"], "http": [route]}, "default")
    write(api, "Sidecar", "theirs", {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}, "istio-system")
    driver.adopt("Sidecar/istio-system/theirs", "VirtualService/default/routes")
    assert await driver.reconcile(policy("REGISTRY_ONLY"), fault("broken")) == {}
    found = await inventory(driver)
    assert [sidecar.mode for sidecar in found.sidecars] == ["ALLOW_ANY"]
    assert [each.spec.http[0].abort for each in found.virtual_services] == [None]
    assert found.policy_gaps == ()


async def test_policy_gaps_are_reported(driver: Driver, api: Api) -> None:
    """Sidecars of namespaces that set no mode, or the opposite one."""
    write(api, "Sidecar", "silent", {"egress": [{"hosts": ["*/*"]}]})
    write(api, "Sidecar", "open", {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}, "default")
    await driver.reconcile(policy("REGISTRY_ONLY"))
    found = await inventory(driver)
    assert {(gap.name, gap.kind) for gap in found.policy_gaps} == {
        ("silent", PolicyGapKind.SIDECAR_WITHOUT_MODE),
        ("open", PolicyGapKind.SIDECAR_ALLOWS_ANY),
    }


async def test_the_same_inventory_is_the_same_one(driver: Driver) -> None:
    """A look at an unchanged cluster, and writes of our own, make no new one."""
    await driver.reconcile(entry("bank"))
    first = await inventory(driver)
    await driver.reconcile(entry("bank"), entry("coin"))
    assert await inventory(driver) is first
