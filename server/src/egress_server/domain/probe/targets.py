"""What a probe dials to see that a service entry works, or that a fault on its host does."""

from egress_server.domain.model.resources import Resolution, ServiceEntry
from egress_server.domain.probe.judge import Destination


def destinations(entry: ServiceEntry) -> list[Destination]:
    """One for plain HTTP and one for TLS, at the entry's first host that is no wildcard."""
    host = next((host for host in entry.hosts if not host.startswith("*")), None)
    if host is None:
        return []
    http = next((port for port in entry.ports if port.protocol.is_http), None)
    tls = next((port for port in entry.ports if port.protocol.is_tls), None)
    return [Destination(scheme, host, port.number) for scheme, port in (("http", http), ("https", tls)) if port]


def address_of(entry: ServiceEntry) -> str | None:
    """What to dial: empty where DNS is to be asked, None where the entry holds only for ranges of addresses."""
    if entry.addresses:
        return next((address for address in entry.addresses if "/" not in address), None)
    if entry.resolution is Resolution.STATIC:
        return next((endpoint.address for endpoint in entry.endpoints), "")
    return ""


def why_none(entry: ServiceEntry) -> str:
    """Why there is nothing to dial for an entry, for people."""
    if all(host.startswith("*") for host in entry.hosts):
        return "it has only wildcard hosts, so no single host to dial"
    if not destinations(entry):
        return "it has neither an HTTP nor a TLS port, and only those tell by which service a connection went"
    return "it holds for ranges of addresses, so there is no single address to dial"
