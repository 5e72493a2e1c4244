"""Foreign DestinationRules, Sidecars and Services, and MeshConfig."""

from collections.abc import Sequence
from typing import Any

from tests.truth.cluster.cluster import NAMESPACES
from tests.truth.cluster.etcd import Object
from tests.truth.generate.draw import HOSTS, LABELS, PORTS, SERVICES, SUBSETS, WILDCARDS, Draw, present
from tests.truth.world import Foreign

_SERVICE_ADDRESSES = {name: 20 + number for number, name in enumerate(SERVICES)}

_OTHER = [{"namespaceSelector": {"matchLabels": {"tenant": "other"}}}]
_VISIBILITIES = (
    {"applyToSidecars": True, "defaultVisibility": "NAMESPACE"},
    {"applyToSidecars": True, "policies": [{"visibility": "NAMESPACE", "matchingRules": _OTHER}]},
    {"applyToSidecars": True, "policies": [{"visibility": "NONE", "matchingRules": _OTHER}]},
    {"defaultVisibility": "NAMESPACE"},
)


def destination_rule(draw: Draw) -> list[Foreign]:
    """A DestinationRule: subsets, TLS of all ports or of one."""
    host = draw.host(wild=0.25)
    if draw.chance(0.05):
        host = draw.one(SERVICES)
    policy: Object = {}
    if draw.chance(0.35):
        policy["tls"] = _tls(draw)
    if draw.chance(0.25):
        port: Object = {"port": {"number": draw.one(PORTS)}}
        policy["portLevelSettings"] = [port | (draw.one(({"tls": _tls(draw)}, _limits())))]
    if draw.chance(0.2):
        policy |= _limits()
    subsets = []
    for name in draw.some(SUBSETS, 0, 2):
        subset = present(name=name, labels={"version": name} if draw.chance(0.8) else {})
        if draw.chance(0.2):
            subset["trafficPolicy"] = {"tls": _tls(draw)}
        subsets.append(subset)
    spec = present(host=host, trafficPolicy=policy, subsets=subsets, exportTo=draw.export_to(hidden=False))
    if draw.chance(0.05):
        spec["workloadSelector"] = {"matchLabels": dict(draw.one(LABELS))}
    return [draw.foreign("DestinationRule", draw.namespace(root=0.2), spec)]


def _tls(draw: Draw) -> Object:
    return {"mode": draw.one(("SIMPLE", "SIMPLE", "DISABLE", "ISTIO_MUTUAL"))}


def _limits() -> Object:
    return {"connectionPool": {"tcp": {"connectTimeout": "3s"}}}


def sidecar(draw: Draw) -> list[Foreign]:
    """A Sidecar: egress listeners, mode, selector."""
    namespace = draw.namespace(root=0.25)
    spec: Object = {}
    if draw.chance(0.3) and namespace in NAMESPACES:
        spec["workloadSelector"] = {"labels": dict(draw.one(LABELS))}
    if draw.chance(0.8):
        spec["egress"] = _listeners(draw)
    if draw.chance(0.5):
        spec["outboundTrafficPolicy"] = _policy(draw)
    return [draw.foreign("Sidecar", namespace, spec)]


def _listeners(draw: Draw) -> list[Object]:
    found: list[Object] = []
    for number in draw.some((80, 443, 8080, 3306), 0, 2) if draw.chance(0.35) else []:
        protocol = draw.one({80: ("HTTP",), 443: ("TLS", "HTTPS"), 8080: ("HTTP", "TCP"), 3306: ("TCP",)}[number])
        port = {"number": number, "name": f"p{number}", "protocol": protocol}
        found.append({"port": port, "hosts": _egress_hosts(draw)})
    if not found or draw.chance(0.6):
        found.append({"hosts": _egress_hosts(draw)})
    return found


def _egress_hosts(draw: Draw) -> list[str]:
    if draw.chance(0.35):
        hosts = ["*/*"]
    else:
        hosts = list(dict.fromkeys(f"{_space(draw)}/{_pattern(draw)}" for _ in range(draw.count(1, 3))))
    if draw.chance(0.2):
        hosts.append(f"~{draw.one((*NAMESPACES, '*', '.'))}/{draw.one((*HOSTS, *WILDCARDS))}")
    return hosts


def _space(draw: Draw) -> str:
    return draw.one((".", "*", "*", *NAMESPACES, "istio-system", "~")) if draw.chance(0.97) else "~"


def _pattern(draw: Draw) -> str:
    return draw.one(("*", "*", "*", *HOSTS, *WILDCARDS))


def _policy(draw: Draw) -> Object:
    if draw.chance(0.2):
        proxy = present(host=draw.one((*HOSTS, "nowhere.example")), port={"number": draw.one(PORTS)})
        if draw.chance(0.2):
            proxy["subset"] = draw.one(SUBSETS)
        return {"mode": "ALLOW_ANY", "egressProxy": proxy}
    return draw.one(({"mode": "REGISTRY_ONLY"}, {"mode": "REGISTRY_ONLY"}, {"mode": "ALLOW_ANY"}, {}))


def service(draw: Draw, network: str) -> list[Foreign]:
    """A Service with addresses in `network`, with its EndpointSlice unless nothing serves it."""
    name, namespace = draw.one(SERVICES), draw.one(NAMESPACES)
    kind = draw.one(("cluster", "cluster", "headless", "headless", "external"))
    ports = [(number, draw.one(("http", "tcp", "tls", "p"))) for number in draw.some(PORTS, 1, 2)]
    found = [service_object(draw, name, namespace, network, kind, ports, external=draw.one(HOSTS))]
    if kind != "external" and draw.chance(0.75):
        found.append(slice_object(draw, name, namespace, ports, ready=draw.chance(0.9), headless=kind == "headless"))
    return found


def service_object(
    draw: Draw,
    name: str,
    namespace: str,
    network: str,
    kind: str,
    ports: Sequence[tuple[int, str]],
    *,
    external: str = "",
) -> Foreign:
    """A Service as the API server completes it: cluster, headless, or external. Each port is a number and the prefix of
    its name."""
    spec: Object = {"ports": [_port(draw, *port) for port in ports], "sessionAffinity": "None"}
    if kind == "external":
        spec |= {"type": "ExternalName", "externalName": external}
    else:
        address = "None" if kind == "headless" else service_address(network, name, namespace)
        spec |= {"type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "internalTrafficPolicy": "Cluster"}
        spec |= {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    annotations = {"networking.istio.io/exportTo": draw.one((".", "*", "shop", "~"))} if draw.chance(0.15) else {}
    meta = {"name": name, "namespace": namespace, "annotations": annotations}
    return Foreign({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}, draw.at())


def slice_object(
    draw: Draw,
    name: str,
    namespace: str,
    ports: Sequence[tuple[int, str]],
    *,
    ready: bool,
    headless: bool = False,
) -> Foreign:
    """The EndpointSlice of a Service, with one pod."""
    endpoint = {"addresses": [pod_address(name, namespace)], "conditions": {"ready": ready, "serving": ready}}
    meta: Object = {"name": f"{name}-1", "namespace": namespace, "labels": {"kubernetes.io/service-name": name}}
    if headless:
        meta["labels"]["service.kubernetes.io/headless"] = ""
    shown = [{"name": f"{prefix}-{number}", "port": number, "protocol": "TCP"} for number, prefix in ports]
    obj = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "addressType": "IPv4"}
    return Foreign({**obj, "ports": shown, "endpoints": [endpoint]}, draw.at())


def _port(draw: Draw, number: int, prefix: str) -> Object:
    transport = "UDP" if draw.chance(0.07) else "TCP"
    port: Object = {"port": number, "name": f"{prefix}-{number}", "protocol": transport, "targetPort": number}
    if draw.chance(0.15):
        port["appProtocol"] = draw.one(("http", "https", "tcp", "kubernetes.io/h2c", "grpc"))
    return port


def service_address(network: str, name: str, namespace: str) -> str:
    """The cluster IP of a Service."""
    return f"{network}.{10 + NAMESPACES.index(namespace)}.{_SERVICE_ADDRESSES[name]}"


def pod_address(name: str, namespace: str) -> str:
    """The address of the pod behind a Service."""
    return f"198.51.100.{100 + 10 * NAMESPACES.index(namespace) + SERVICES.index(name)}"


def mesh_config(draw: Draw) -> dict[str, Any]:
    """Settings of MeshConfig; most meshes have few."""
    found: dict[str, Any] = {}
    if draw.chance(0.6):
        modes = ("REGISTRY_ONLY", "REGISTRY_ONLY", "REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS")
        found["outboundTrafficPolicy"] = {"mode": draw.one(modes)}
    for kind in ("Service", "VirtualService", "DestinationRule"):
        if draw.chance(0.1):
            found[f"default{kind}ExportTo"] = draw.one((["."], ["*"], ["shop"]))
    if draw.chance(0.1):
        found["discoverySelectors"] = [{"matchLabels": {"discover": "yes"}}]
    if draw.chance(0.08):
        found["serviceEntryVisibility"] = draw.one(_VISIBILITIES)
    if draw.chance(0.06):
        found["protocolDetectionTimeout"] = draw.one(("0s", "2s"))
    return found
