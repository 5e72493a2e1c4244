"""Services with what serves them, as Istio's registry has them."""

from typing import Any

import pytest

from egress_server.domain.model.resources import Protocol, ServicePort
from egress_server.domain.observed.inventory import MAX_ENDPOINTS, KnownService
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.observe.services import OtherObjects, known_services, protocol_of
from tests.unit.targets.kubernetes.observations import found

CONTROLLER = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}


def service(name: str = "web", namespace: str = "shop", **spec: Any) -> CachedObject:
    """A Service with port 80."""
    return found("Service", name, {"ports": [{"name": "http", "port": 80}], **spec}, namespace=namespace)


def endpoint_slice(*addresses: str, service: str = "web", namespace: str = "shop", **more: Any) -> CachedObject:
    """Its ready addresses."""
    labels = {"kubernetes.io/service-name": service, **more.pop("labels", {})}
    metadata = {"name": f"{service}-{len(addresses)}", "namespace": namespace, "labels": labels}
    endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
    return cached_object("EndpointSlice", {"metadata": metadata, "endpoints": endpoints, **more})


def only(*slices: CachedObject, **spec: Any) -> KnownService:
    """A Service with these slices."""
    [known] = known_services(OtherObjects([service(**spec)], list(slices)), frozenset())
    return known


@pytest.mark.parametrize(
    ("port", "protocol"),
    [
        ({"name": "http"}, Protocol.HTTP),
        ({"name": "http-web"}, Protocol.HTTP),
        ({"name": "http_proxy"}, Protocol.HTTP),
        ({"name": "grpc-web-x"}, Protocol.GRPC_WEB),
        ({"name": "grpc-webx"}, Protocol.GRPC_WEB),
        ({"name": "HTTP2-x"}, Protocol.HTTP2),
        ({"name": "redis"}, Protocol.REDIS),
        ({"name": "anything"}, Protocol.DETECTED),
        ({"name": "https443"}, Protocol.DETECTED),
        ({}, Protocol.DETECTED),
        ({"port": 3306}, Protocol.TCP),
        ({"port": 27017, "name": "db"}, Protocol.TCP),
        ({"port": 3306, "name": "http"}, Protocol.HTTP),
        ({"name": "tcp-x", "appProtocol": "HTTPS"}, Protocol.HTTPS),
        ({"name": "tcp-x", "appProtocol": "example.com/x"}, Protocol.DETECTED),
        ({"name": "tcp-x", "appProtocol": ""}, Protocol.DETECTED),
        ({"appProtocol": "kubernetes.io/h2c"}, Protocol.HTTP2),
        ({"appProtocol": "kubernetes.io/wss"}, Protocol.HTTPS),
        ({"name": "http", "protocol": "UDP"}, Protocol.UDP),
    ],
)
def test_a_services_protocol(port: dict[str, Any], protocol: Protocol) -> None:
    """appProtocol, else the prefix of the name; without either only well-known ports are not detected."""
    assert protocol_of(port) is protocol


def test_what_serves_a_service() -> None:
    """The ready addresses of all its slices; of a headless one all of them."""
    waiting = {"addresses": ["10.0.0.3"], "conditions": {"ready": False}}
    slices = (
        endpoint_slice("10.0.0.2", "10.0.0.1"),
        endpoint_slice("10.0.0.4"),
        endpoint_slice("10.0.0.5", service="other"),
        endpoint_slice("10.0.0.6", namespace="lab"),
        endpoint_slice(endpoints=[waiting]),
        endpoint_slice("x.example", addressType="FQDN"),
    )
    assert only(*slices, clusterIPs=["10.96.0.1"]).endpoint_addresses == ("10.0.0.1", "10.0.0.2", "10.0.0.4")
    headless = only(*slices, clusterIPs=["None"])
    assert headless.endpoint_addresses == ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    assert only(clusterIPs=["10.96.0.1"]).endpoint_addresses == ()


def test_of_a_balanced_service_one_address_is_enough() -> None:
    """Its slices change with every pod; those of headless Services matter one by one."""
    pods = ("10.0.0.1", "10.0.0.2")
    assert endpoint_slice(*pods, labels=CONTROLLER).content == {True: ("10.0.0.1",)}
    assert endpoint_slice(*pods, labels=CONTROLLER | {"service.kubernetes.io/headless": ""}).content[True] == pods
    assert endpoint_slice(*pods).content == {True: pods, False: ()}


def test_what_is_not_known_of_endpoints() -> None:
    """Without the permission to watch slices, and if there are too many addresses."""
    [known] = known_services(OtherObjects([service()]), frozenset())
    assert known.endpoint_addresses is None
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(MAX_ENDPOINTS + 1)]
    assert only(endpoint_slice(*many)).endpoint_addresses is None


def test_a_service_of_type_external_name() -> None:
    """It has no addresses; the field counts for this type only."""
    assert only(type="ExternalName", externalName="x.example").external_name == "x.example"
    assert only(type="ClusterIP", externalName="x.example").external_name == ""


def test_udp_ports_are_kept_as_such() -> None:
    """Sidecars don't serve them."""
    ports = only(ports=[{"name": "dns", "port": 53, "protocol": "UDP"}]).ports
    assert ports == (ServicePort(53, Protocol.UDP, "dns"),)


def test_services_in_ignored_namespaces_are_left_out() -> None:
    """istiod does not read them; the others are sorted by age."""
    objects = OtherObjects([service(), service("a", "lab"), service("b", "lab")])
    assert [known.name for known in known_services(objects, frozenset({"shop"}))] == ["a", "b"]
