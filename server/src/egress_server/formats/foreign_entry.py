"""A ServiceEntry of others as the domain has them, read as leniently as it can be: it is there and decides, whether we
would have let it pass or not. Only what could be anything is not read at all."""

from collections.abc import Mapping
from typing import Any

from egress_server.domain.resources import Endpoint, Location, Protocol, Resolution, ServiceEntry, ServicePort

_MOST_PORT = 65535


def read_foreign_entry(name: str, spec: Mapping[str, Any]) -> ServiceEntry | None:
    """The entry in an object's spec, under that name; None where it says nothing that can be understood."""
    try:
        hosts = tuple(str(host).lower() for host in spec["hosts"])
        ports = tuple(read_port(port, str(port.get("protocol") or "")) for port in spec.get("ports") or ())
        if not hosts or not all(0 < port.number <= _MOST_PORT for port in ports):
            return None
        return ServiceEntry(
            name=name,
            hosts=hosts,
            ports=ports,
            resolution=Resolution(spec.get("resolution") or "NONE"),
            location=Location(spec.get("location") or "MESH_EXTERNAL"),
            endpoints=tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints") or ()),
            addresses=tuple(str(address).lower() for address in spec.get("addresses") or ()),
            export_to=tuple(str(to) for to in spec.get("exportTo") or ()),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def read_port(port: Mapping[str, Any], protocol: str) -> ServicePort:
    """A port; what Istio knows no more of than that it is TCP, or finds out by itself, stands as TCP."""
    number = int(port.get("number") or port["port"])
    known = next((each for each in Protocol if each.value == protocol.upper()), Protocol.TCP)
    target = port.get("targetPort")
    return ServicePort.of(number, known, str(port.get("name") or ""), target if isinstance(target, int) else 0)


def _endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        address=str(endpoint.get("address") or "").lower(),
        ports={str(name): int(number) for name, number in (endpoint.get("ports") or {}).items()},
        labels={str(name): str(value) for name, value in (endpoint.get("labels") or {}).items()},
        locality=str(endpoint.get("locality") or ""),
        weight=int(endpoint.get("weight") or 0),
    )
