"""Questions about a world: mostly about what its objects register and mention."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from egress_server.domain.model.resources import Fault, ServiceEntry
from tests.truth.cluster.cluster import NAMESPACES
from tests.truth.generate.draw import ENDPOINTS, HOSTS, LABELS, PORTS, SERVICES, Draw
from tests.truth.generate.foreign import pod_address, service_address
from tests.truth.generate.routes import HEADERS, METHODS, PATHS
from tests.truth.generate.themes import Theme
from tests.truth.world import ALLOCATED, NATURAL, Place, Question, World

_USUAL = {80: "HTTP", 443: "TLS", 8080: "HTTP", 3306: "TCP", 8443: "TLS", 27017: "TCP"}
_NATIVE = {"HTTP": "http", "TLS": "https", "TCP": "tcp"}
_SCHEMES = {
    "HTTP": ("http", "http", "http", "http", "http", "https", "tls", "tcp"),
    "TLS": ("https", "https", "https", "https", "tls", "tls", "http", "tcp"),
    "TCP": ("tcp", "tcp", "tcp", "tcp", "http", "https", "tls"),
    "": ("http", "http", "https", "tcp"),
}
_UNREGISTERED = "203.0.113.99"
_WORKLOADS: tuple[dict[str, str], ...] = (*LABELS, {})


def questions(draw: Draw, world: World, themes: Sequence[Theme], network: str, count: int) -> tuple[Question, ...]:
    """Random questions. They come from few workloads, because the configuration of each is fetched."""
    workloads = [(namespace, dict(draw.one(_WORKLOADS))) for namespace in (*NAMESPACES, draw.one(NAMESPACES))]
    places = sorted(set(_places(world)))
    intended = [place for each in themes for place in each.places]
    addresses = {host: address for each in themes for host, address in each.addresses.items()}
    found = []
    for _ in range(count):
        if draw.chance(0.85):
            place = draw.one(intended)
            scheme = _NATIVE.get(place[2], "") if draw.chance(0.7) else ""
        else:
            place, scheme = _place(draw, places), ""
        found.append(_question(draw, place, scheme, addresses, draw.one(workloads), network))
    return tuple(found)


def _place(draw: Draw, places: list[Place]) -> Place:
    """Mostly one that the world registers or mentions; sometimes only its host, or its port."""
    if not places or draw.chance(0.1):
        port = draw.one(PORTS)
        return draw.one(HOSTS), port, _USUAL[port]
    host, port, protocol = draw.one(places)
    if draw.chance(0.15):
        port = draw.one(PORTS)
        protocol = _USUAL[port]
    if draw.chance(0.15):
        host = draw.one(HOSTS)
    return host, port, protocol


def _question(
    draw: Draw,
    place: Place,
    scheme: str,
    addresses: Mapping[str, str],
    workload: tuple[str, dict[str, str]],
    network: str,
) -> Question:
    """With a scheme that fits the place more or less, unless one is given."""
    host, port, protocol = place
    scheme = scheme or draw.one(_SCHEMES[protocol])
    if host.startswith("*"):
        host = f"{draw.one(('sub', 'deep.sub'))}{host[1:]}"
    address = addresses.get(host, "") if draw.chance(0.8) else ""
    address = address or _address(draw, host, network)
    if scheme != "https" and address != ALLOCATED and draw.chance(0.06):
        host = address
    http = scheme == "http"
    return Question(
        *workload,
        scheme,
        host.lower(),
        port,
        address,
        path=draw.one(PATHS) if http else "/",
        method=draw.one(METHODS) if http else "GET",
        headers=draw.one(HEADERS) if http else {},
    )


def _address(draw: Draw, host: str, network: str) -> str:
    if draw.chance(0.12):
        return draw.one((*NATURAL.values(), *ENDPOINTS[:3], _UNREGISTERED, "203.0.113.40"))
    name, _, rest = host.partition(".")
    namespace = rest.partition(".")[0]
    if rest.endswith("svc.cluster.local") and name in SERVICES and namespace in NAMESPACES:
        if draw.chance(0.3):
            return pod_address(name, namespace)
        return service_address(network, name, namespace)
    return NATURAL.get(host, _UNREGISTERED)


def _places(world: World) -> Iterator[Place]:
    for policy in world.policies:
        match policy.resource:
            case ServiceEntry(hosts=hosts, ports=ports):
                yield from ((host, port.number, _how(port.protocol.value)) for host in hosts for port in ports)
            case Fault(host=host, ports=numbers):
                yield from ((host, number, _USUAL[number]) for number in numbers or (80, 8080))
    for foreign in world.objects:
        yield from _places_of(foreign.obj)


def _places_of(obj: dict[str, Any]) -> Iterator[Place]:
    meta, spec = obj["metadata"], obj.get("spec", {})
    namespace = meta["namespace"]
    match obj["kind"]:
        case "ServiceEntry":
            for host in spec["hosts"]:
                yield from ((host.lower(), p["number"], _how(p.get("protocol", ""))) for p in spec["ports"])
        case "Service":
            host = f"{meta['name']}.{namespace}.svc.cluster.local"
            yield from ((host, port["port"], _how(port["name"].partition("-")[0])) for port in spec["ports"])
        case "VirtualService":
            for host in spec.get("hosts", ()):
                if host != "*":
                    yield from ((_full(host, namespace), port, _USUAL[port]) for port in _routed(spec))
        case "DestinationRule":
            yield from ((_full(spec["host"], namespace), port, _USUAL[port]) for port in (80, 443))


def _routed(spec: dict[str, Any]) -> tuple[int, ...]:
    ports: tuple[int, ...] = (80,) if "http" in spec else ()
    return (*ports, 443) if "tls" in spec else (*ports, 3306) if "tcp" in spec else ports


def _full(host: str, namespace: str) -> str:
    return host.lower() if "." in host else f"{host}.{namespace}.svc.cluster.local"


def _how(protocol: str) -> str:
    """The key of _SCHEMES for a protocol or for the prefix of a port's name."""
    name = protocol.upper()
    if name.startswith(("HTTP", "GRPC")) and name != "HTTPS":
        return "HTTP"
    if name in ("TLS", "HTTPS"):
        return "TLS"
    return "" if name in ("", "UDP") or name.startswith("P") else "TCP"
