"""What a world is about: objects and settings of one kind that are likely to decide, and where.

Chance alone would hardly ever let some of them decide.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.truth.cluster.cluster import NAMESPACES, ROOT
from tests.truth.cluster.etcd import Object
from tests.truth.generate.draw import HOSTS, SERVICES, Draw, present
from tests.truth.generate.foreign import pod_address, service_address, service_object, slice_object
from tests.truth.world import API, NATURAL, Foreign, Place, Policy


@dataclass(frozen=True, slots=True)
class Theme:
    """`addresses` are those that are dialed for hosts, if not the ones in DNS."""

    objects: list[Foreign]
    places: list[Place]
    mesh: Mapping[str, Any] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    policies: Sequence[Policy] = ()


def plain(draw: Draw) -> str:
    """A host that the themes of this world have not used yet, as long as there is one."""
    return draw.next_host()


def foreign_entry(draw: Draw, host: str, *ports: tuple[int, str], namespace: str = "", **spec: Any) -> Foreign:
    """An entry that all see, with these ports."""
    declared = [present(number=number, name=f"p{number}", protocol=protocol) for number, protocol in ports]
    whole = {"hosts": [host], "ports": declared, "resolution": "DNS", **spec}
    return draw.foreign("ServiceEntry", namespace or draw.one(NAMESPACES), present(**whole))


def foreign_routes(draw: Draw, host: str, namespace: str = "", **spec: Any) -> Foreign:
    """A VirtualService for a host."""
    return draw.foreign("VirtualService", namespace or draw.one(NAMESPACES), {"hosts": [host], **spec})


def _different(*hosts: str) -> list[str]:
    """The hosts that get an entry, each once."""
    return [host for host in dict.fromkeys(hosts) if host in HOSTS]


def _elsewhere(draw: Draw) -> str:
    return "nowhere.example" if draw.chance(0.15) else plain(draw)


def pick(draw: Draw, *choices: Object) -> Object:
    """One of the choices."""
    return draw.one(choices)


def _to(host: str, **more: Any) -> list[Object]:
    return [{"destination": {"host": host, **more}}]


def _first(draw: Draw, rule: Object, otherwise: Object) -> list[Object]:
    """A rule for some requests or for all."""
    return [rule] if draw.chance(0.6) else [{"match": [{"uri": {"prefix": "/a"}}], **rule}, otherwise]


def destination_rule_tls(draw: Draw, _: str) -> Theme:
    """TLS by a rule for the host or for a wildcard."""
    host = plain(draw)
    rule_host = f"*.{host.partition('.')[2]}" if draw.chance(0.4) else host
    policy: Object = {"tls": {"mode": "SIMPLE"}}
    if draw.chance(0.3):
        policy = {"portLevelSettings": [{"port": {"number": 443}, **policy}]}
    entry = foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"))
    namespace = entry.obj["metadata"]["namespace"] if draw.chance(0.6) else draw.namespace(root=0.3)
    rule = draw.foreign("DestinationRule", namespace, {"host": rule_host, "trafficPolicy": policy})
    return Theme([entry, rule], [(host, 80, "HTTP"), (host, 443, "TLS")])


def subsets(draw: Draw, _: str) -> Theme:
    """Routes to subsets that exist, that have no endpoints, and that do not exist."""
    host, namespace = plain(draw), draw.one(NAMESPACES)
    endpoints = [{"address": "203.0.113.50", "labels": {"version": "v1"}}]
    rule = {"host": host, "subsets": [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]}
    route = {"route": _to(host, subset=draw.one(("v1", "v2", "v3")))}
    objects = [
        foreign_entry(draw, host, (80, "HTTP"), namespace=namespace, resolution="STATIC", endpoints=endpoints),
        draw.foreign("DestinationRule", namespace, rule),
        foreign_routes(draw, host, namespace, http=[route]),
    ]
    return Theme(objects, [(host, 80, "HTTP")])


def matches(draw: Draw, _: str) -> Theme:
    """A VirtualService that sends some requests elsewhere."""
    host, other = plain(draw), plain(draw)
    match = pick(
        draw,
        {"uri": {"prefix": "/a"}},
        {"headers": {"x-user": {"exact": "alice"}}},
        {"method": {"exact": "GET"}},
        {"uri": {"regex": "/a.*"}},
        {"withoutHeaders": {"x-canary": {}}},
        {"sourceLabels": {"app": "two"}},
        {"sourceNamespace": draw.one(NAMESPACES)},
    )
    rules: list[Object] = [{"match": [match], "route": _to(other)}]
    if draw.chance(0.7):
        rules.append({"route": _to(host)})
    entries = [foreign_entry(draw, each, (80, "HTTP"), (8080, "HTTP")) for each in _different(host, other)]
    return Theme([*entries, foreign_routes(draw, host, http=rules)], [(host, 80, "HTTP"), (host, 8080, "HTTP")])


def redirects(draw: Draw, _: str) -> Theme:
    """A VirtualService that redirects requests."""
    return _answers(draw, {"redirect": {"authority": API}})


def direct_responses(draw: Draw, _: str) -> Theme:
    """A VirtualService that answers requests itself."""
    return _answers(draw, {"directResponse": {"status": 418}})


def foreign_faults(draw: Draw, _: str) -> Theme:
    """A VirtualService that aborts requests."""
    host = plain(draw)
    abort = {"abort": {"httpStatus": 418, "percentage": {"value": draw.one((100, 100, 50))}}}
    return _answers(draw, {"route": _to(host), "fault": abort}, host)


def _answers(draw: Draw, how: Object, host: str = "") -> Theme:
    host = host or plain(draw)
    routes = foreign_routes(draw, host, http=_first(draw, how, {"route": _to(host)}))
    return Theme([foreign_entry(draw, host, (80, "HTTP")), routes], [(host, 80, "HTTP")])


def delegates(draw: Draw, _: str) -> Theme:
    """A VirtualService that delegates to another one."""
    host, other, namespace = plain(draw), plain(draw), draw.one(NAMESPACES)
    inner = draw.foreign("VirtualService", namespace, {"http": [{"route": _to(other)}]})
    to = {"name": inner.obj["metadata"]["name"], "namespace": namespace}
    rules = _first(draw, {"delegate": to}, {"route": _to(host)})
    entries = [foreign_entry(draw, each, (80, "HTTP")) for each in _different(host, other)]
    return Theme([*entries, inner, foreign_routes(draw, host, http=rules)], [(host, 80, "HTTP")])


def tls_routes(draw: Draw, _: str) -> Theme:
    """A VirtualService that routes by server name."""
    host, other = plain(draw), _elsewhere(draw)
    match = present(sniHosts=[host], port=draw.one((443, "")))
    rules = [{"match": [match], "route": _to(other)}]
    entries = [foreign_entry(draw, each, (443, "TLS")) for each in _different(host, other)]
    return Theme([*entries, foreign_routes(draw, host, tls=rules)], [(host, 443, "TLS")])


def tcp_routes(draw: Draw, _: str) -> Theme:
    """A VirtualService that routes connections."""
    host, other = plain(draw), _elsewhere(draw)
    match = pick(draw, {}, {"match": [{"port": 3306}]}, {"match": [{"destinationSubnets": ["203.0.113.0/24"]}]})
    entries = [foreign_entry(draw, each, (3306, "TCP")) for each in _different(host, other)]
    if draw.chance(0.8):
        # Else the oldest entry without an address gets the connections.
        entries[0].obj["spec"]["addresses"] = [NATURAL[host]]
    return Theme([*entries, foreign_routes(draw, host, tcp=[{**match, "route": _to(other)}])], [(host, 3306, "TCP")])


def default_service_export(draw: Draw, _: str) -> Theme:
    """MeshConfig keeps entries to their namespace."""
    host = plain(draw)
    return Theme(
        [foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"))],
        [(host, 80, "HTTP"), (host, 443, "TLS")],
        {"defaultServiceExportTo": [draw.one((".", "shop"))]},
    )


def default_route_export(draw: Draw, _: str) -> Theme:
    """MeshConfig keeps VirtualServices to their namespace."""
    host, other = plain(draw), plain(draw)
    entries = [foreign_entry(draw, each, (80, "HTTP")) for each in _different(host, other)]
    mesh = {"defaultVirtualServiceExportTo": [draw.one((".", "shop"))]}
    how = pick(draw, {"route": _to(other)}, {"directResponse": {"status": 418}})
    return Theme([*entries, foreign_routes(draw, host, http=[how])], [(host, 80, "HTTP")], mesh)


def default_rule_export(draw: Draw, _: str) -> Theme:
    """MeshConfig keeps DestinationRules to their namespace."""
    host = plain(draw)
    entry = foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"))
    spec = {"host": host, "trafficPolicy": {"tls": {"mode": "SIMPLE"}}}
    rule = draw.foreign("DestinationRule", entry.obj["metadata"]["namespace"], spec)
    mesh = {"defaultDestinationRuleExportTo": [draw.one((".", ".", "shop"))]}
    return Theme([entry, rule], [(host, 80, "HTTP"), (host, 443, "TLS")], mesh)


def discovery_selectors(draw: Draw, _: str) -> Theme:
    """MeshConfig leaves the namespace `team` out."""
    host = plain(draw)
    objects = [foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"), namespace="team")]
    if draw.chance(0.3):
        objects.append(foreign_routes(draw, host, "team", http=[{"directResponse": {"status": 418}}]))
        objects.append(foreign_entry(draw, host, (80, "HTTP"), namespace="shop"))
    mesh = {"discoverySelectors": [{"matchLabels": {"discover": "yes"}}]}
    return Theme(objects, [(host, 80, "HTTP"), (host, 443, "TLS")], mesh)


def dynamic_dns_mode(draw: Draw, _: str) -> Theme:
    """ALLOW_ANY_DYNAMIC_DNS."""
    host = plain(draw)
    places = [(host, 80, "HTTP"), (host, 3306, "TCP"), (host, 443, "TLS"), (host, 8080, "TCP")]
    return Theme([], places, {"outboundTrafficPolicy": {"mode": "ALLOW_ANY_DYNAMIC_DNS"}})


def entry_visibility(draw: Draw, _: str) -> Theme:
    """serviceEntryVisibility for sidecars."""
    host = plain(draw)
    other = [{"namespaceSelector": {"matchLabels": {"tenant": "other"}}}]
    policy = {"visibility": draw.one(("NAMESPACE", "NONE")), "matchingRules": other}
    how = pick(draw, {"defaultVisibility": "NAMESPACE"}, {"policies": [policy]})
    objects = [foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"), namespace=draw.one(("team", "team", "shop")))]
    mesh = {"serviceEntryVisibility": {"applyToSidecars": True, **how}}
    return Theme(objects, [(host, 80, "HTTP"), (host, 443, "TLS")], mesh)


def revisions(draw: Draw, _: str) -> Theme:
    """Objects of another revision of Istio."""
    host = plain(draw)
    objects = [
        foreign_entry(draw, host, (80, "HTTP"), (443, "TLS")),
        foreign_routes(draw, host, http=[{"directResponse": {"status": 418}}]),
        draw.foreign("Sidecar", draw.one(NAMESPACES), {"egress": [{"hosts": ["./*"]}]}),
    ]
    for each in objects if draw.chance(0.3) else [draw.one(objects)]:
        each.obj["metadata"]["labels"]["istio.io/rev"] = "canary"
    return Theme(objects, [(host, 80, "HTTP"), (host, 443, "TLS")])


def sidecar_ports(draw: Draw, _: str) -> Theme:
    """A Sidecar with a listener for one port."""
    host, namespace = plain(draw), draw.one(NAMESPACES)
    number, protocol = draw.one(((80, "HTTP"), (443, "TLS"), (3306, "TCP")))
    port = {"number": number, "name": "one", "protocol": protocol}
    egress: list[Object] = [{"port": port, "hosts": [draw.one(("*/*", "shop/*", f"*/{host}"))]}]
    if draw.chance(0.5):
        egress.append({"hosts": [draw.one(("*/*", "./*"))]})
    ports = ((80, "HTTP"), (443, "TLS"), (3306, "TCP"))
    sidecar = draw.foreign("Sidecar", draw.one((namespace, ROOT)), {"egress": egress})
    return Theme([foreign_entry(draw, host, *ports), sidecar], [(host, *each) for each in ports])


def sidecar_exclusions(draw: Draw, _: str) -> Theme:
    """A Sidecar that excludes hosts."""
    host = plain(draw)
    entry = foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"))
    space = draw.one((entry.obj["metadata"]["namespace"], "*", "."))
    excluded = f"~{space}/{draw.one((host, '*', '*.' + host.partition('.')[2]))}"
    sidecar = draw.foreign("Sidecar", draw.namespace(root=0.7), {"egress": [{"hosts": ["*/*", excluded]}]})
    return Theme([entry, sidecar], [(host, 80, "HTTP"), (host, 443, "TLS")])


def egress_proxy(draw: Draw, _: str) -> Theme:
    """A Sidecar that sends unregistered connections to a proxy."""
    proxy, host = plain(draw), plain(draw)
    policy = {"mode": "ALLOW_ANY", "egressProxy": {"host": proxy, "port": {"number": 80}}}
    sidecar = draw.foreign("Sidecar", draw.namespace(root=0.7), {"outboundTrafficPolicy": policy})
    places = [(host, 80, "HTTP"), (host, 443, "TLS"), (host, 3306, "TCP"), (host, 8080, "TCP")]
    return Theme([foreign_entry(draw, proxy, (80, draw.one(("HTTP", "TCP")))), sidecar], places)


def detected_ports(draw: Draw, _: str) -> Theme:
    """Ports without a protocol."""
    host, number = plain(draw), draw.one((3306, 8080, 443))
    addresses = [NATURAL[host]] if draw.chance(0.4) else []
    entry = foreign_entry(draw, host, (number, ""), addresses=addresses, resolution=draw.one(("DNS", "NONE")))
    return Theme([entry], [(host, number, ""), (host, number, "TCP"), (plain(draw), number, "HTTP")])


def udp_ports(draw: Draw, _: str) -> Theme:
    """UDP ports, which other entries declare as well."""
    host, number = plain(draw), draw.one((443, 3306))
    objects = [foreign_entry(draw, host, (number, "UDP"))]
    if draw.chance(0.5):
        objects.append(foreign_entry(draw, host, (number, "TCP"), namespace=objects[0].obj["metadata"]["namespace"]))
    return Theme(objects, [(host, number, "TCP"), (host, number, "TLS")])


def no_endpoints(draw: Draw, _: str) -> Theme:
    """Entries whose clusters have no address."""
    host = f"*.{plain(draw).partition('.')[2]}" if draw.chance(0.4) else plain(draw)
    selector: Object = {"workloadSelector": {"labels": {"app": "nothing"}}} if draw.chance(0.5) else {}
    entry = foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"), (3306, "TCP"), resolution="STATIC", **selector)
    return Theme([entry], [(host, 80, "HTTP"), (host, 443, "TLS"), (host, 3306, "TCP")])


def upper_case(draw: Draw, _: str) -> Theme:
    """A host in upper case."""
    host = plain(draw)
    spelled = draw.one((host.upper(), host.title()))
    resolution = draw.one(("DNS", "NONE", "STATIC"))
    endpoints = [{"address": "203.0.113.50"}] if resolution == "STATIC" else []
    entry = foreign_entry(draw, spelled, (80, "HTTP"), (443, "TLS"), resolution=resolution, endpoints=endpoints)
    return Theme([entry], [(host, 80, "HTTP"), (host, 443, "TLS")])


def external_name(draw: Draw, network: str) -> Theme:
    """An ExternalName Service."""
    name, namespace, target = draw.one(SERVICES), draw.one(NAMESPACES), plain(draw)
    ports = ((80, "http"), (443, "tls"), (3306, "tcp"))
    service = service_object(draw, name, namespace, network, "external", ports, external=target)
    objects = [service, foreign_entry(draw, target, (80, "HTTP"))] if draw.chance(0.6) else [service]
    host = f"{name}.{namespace}.svc.cluster.local"
    places = [(host, number, protocol.upper()) for number, protocol in ports]
    return Theme(objects, places, addresses={host: NATURAL[target]})


def headless(draw: Draw, network: str) -> Theme:
    """A headless Service, asked by the addresses of its pods."""
    name, namespace = draw.one(SERVICES), draw.one(NAMESPACES)
    ports = ((80, "http"), (443, "tls"), (3306, "tcp"))
    objects = [
        service_object(draw, name, namespace, network, "headless", ports),
        slice_object(draw, name, namespace, ports, ready=draw.chance(0.8), headless=True),
    ]
    host = f"{name}.{namespace}.svc.cluster.local"
    places = [(host, number, protocol.upper()) for number, protocol in ports]
    return Theme(objects, places, addresses={host: pod_address(name, namespace)})


def cluster_address(draw: Draw, network: str) -> Theme:
    """A Service with a cluster IP, with endpoints or without."""
    name, namespace = draw.one(SERVICES), draw.one(NAMESPACES)
    ports = ((80, "http"), (443, "tls"), (3306, "tcp"))
    objects = [service_object(draw, name, namespace, network, "cluster", ports)]
    if draw.chance(0.6):
        objects.append(slice_object(draw, name, namespace, ports, ready=True))
    host = f"{name}.{namespace}.svc.cluster.local"
    places = [(host, number, protocol.upper()) for number, protocol in ports]
    return Theme(objects, places, addresses={host: service_address(network, name, namespace)})


THEMES: tuple[Callable[[Draw, str], Theme], ...] = (
    *(redirects, direct_responses, foreign_faults),
    *(destination_rule_tls, subsets, matches, delegates, tls_routes, tcp_routes),
    *(default_service_export, default_route_export, default_rule_export, discovery_selectors, dynamic_dns_mode),
    *(entry_visibility, revisions, sidecar_ports, sidecar_exclusions, egress_proxy, detected_ports, udp_ports),
    *(no_endpoints, upper_case, external_name, headless, cluster_address),
)
