"""Objects of others as the inventory has them: compact, and whatever they say."""

from collections.abc import Mapping
from typing import Any

from egress_server.domain.inventory import ForeignEntry, ForeignSidecar, ForeignVirtualService, KnownService
from egress_server.domain.names import Kind, Name
from egress_server.formats.foreign_entry import read_foreign_entry, read_port
from egress_server.targets.kubernetes.fit.sidecars import said_mode
from egress_server.targets.kubernetes.following.seen import Seen
from egress_server.targets.kubernetes.routing import full_hosts, heeded
from egress_server.targets.kubernetes.state import Held

_DOMAIN = "svc.cluster.local"
_EXPORT_TO = "networking.istio.io/exportTo"
_EVERYWHERE = "*/*"
_NO_ADDRESS = "None"


def entry_of(found: Seen, mesh: str) -> ForeignEntry | None:
    """A ServiceEntry; None where it can't be understood."""
    name = Name(mesh, Kind.SERVICE_ENTRY, found.key.name, found.key.namespace)
    entry = read_foreign_entry(str(name), found.content)
    return None if entry is None else ForeignEntry(entry, found.create_time, found.writer)


def virtual_service_of(found: Seen, held: Held | None) -> ForeignVirtualService:
    """A VirtualService, less what we put into it."""
    spec = found.content
    ours = {route["name"] for route in held.spec.get("http", ())} if held else set()
    theirs = [route for route in spec.get("http") or () if route.get("name") not in ours]
    return ForeignVirtualService(
        namespace=found.key.namespace,
        name=found.key.name,
        hosts=tuple(sorted(full_hosts(found))),
        create_time=found.create_time,
        export_to=tuple(spec.get("exportTo") or ()),
        mesh=heeded(spec),
        faults=any("fault" in route for route in theirs),
        owner=found.writer,
        answers=any(route.keys() & {"redirect", "directResponse"} for route in theirs)
        or (bool(theirs) and all(route.get("match") for route in theirs)),
    )


def sidecar_of(found: Seen, held: Held | None) -> ForeignSidecar:
    """A Sidecar, as it was before we put a mode into it."""
    spec = found.content
    hosts = [host for listener in spec.get("egress") or () for host in listener.get("hosts") or ()]
    return ForeignSidecar(
        namespace=found.key.namespace,
        name=found.key.name,
        create_time=found.create_time,
        match_labels=dict((spec.get("workloadSelector") or {}).get("labels") or {}),
        mode=said_mode(held.was if held else spec),
        egress_hosts=() if _EVERYWHERE in hosts else tuple(dict.fromkeys(hosts)),
        owner=found.writer,
    )


def service_of(found: Seen) -> KnownService:
    """A Service, with the ports that Istio serves."""
    spec = found.content
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    export_to = found.annotations.get(_EXPORT_TO, "")
    return KnownService(
        namespace=found.key.namespace,
        name=found.key.name,
        host=f"{found.key.name}.{found.key.namespace}.{_DOMAIN}",
        ports=tuple(read_port(port, protocol_of(port)) for port in spec.get("ports") or () if _is_tcp(port)),
        addresses=tuple(address for address in addresses if address and address != _NO_ADDRESS),
        export_to=tuple(to.strip() for to in export_to.split(",") if to.strip()),
        create_time=found.create_time,
    )


def protocol_of(port: Mapping[str, Any]) -> str:
    """What Istio takes a Service's port for: by appProtocol, else by the beginning of its name."""
    told = str(port.get("appProtocol") or "").lower()
    if told:
        return _APP_PROTOCOLS.get(told, told)
    name = str(port.get("name") or "").lower()
    return "grpc-web" if name == "grpc-web" or name.startswith("grpc-web-") else name.partition("-")[0]


_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return port.get("protocol") in (None, "TCP")
