"""EGR0107: an HTTP port that makes sidecars wait for the client on it, for all hosts.

A sidecar has one listener per port. Once an HTTP service uses the port, the sidecar inspects the client's first bytes:
servers that speak first (MySQL, SMTP, FTP) no longer work there, and requests to unregistered hosts are answered with
502 under REGISTRY_ONLY. On port 80 that is the case anyway, because nearly every cluster has an HTTP service there.
HTTP and TLS on one port don't affect each other, and neither does TCP whose clients speak first.
"""

from collections.abc import Iterable, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.listener_protocol import OPAQUE, ListenerProtocol, listener_protocol
from egress_server.domain.lint.dns_capture import is_allocated
from egress_server.domain.lint.foreign_objects import foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry, ServicePort

_ALWAYS_HTTP = 80
_HTTPS = 443  # EGR0108 covers HTTP there


class HttpPortAffectsAllHosts(Rule[ServiceEntry]):
    """One finding per port, which names an entry whose servers may stop working, if there is one."""

    code = "EGR0107"
    severity = Severity.WARNING
    title = "HTTP port that makes sidecars wait for the client, for all hosts"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries that use the same listeners."""
        for index, port in enumerate(entry.ports):
            how = listener_protocol(entry, port)
            found = None
            if how is ListenerProtocol.HTTP and port.number != _HTTPS:
                found = self._check_http(snapshot, entry, index, port)
            elif how in OPAQUE and not is_allocated(snapshot, entry):
                found = self._check_opaque(snapshot, entry, index, port)
            if found:
                yield found

    def _check_http(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        if other := _other_host(snapshot, entry, port, OPAQUE):
            theirs = next(p for p in other.ports if p.number == port.number)
            return self.finding(
                f"ports[{index}].protocol",
                f"{other.name} declares port {port.number} as {theirs.protocol.label} for {other.hosts[0]}; with "
                f"{port.protocol.label} on the port, sidecars wait for the client's first bytes, so the server no "
                "longer works if it speaks first, as many databases do",
                f"set addresses in {other.name} to the single addresses of its host, use another port for "
                f"{entry.hosts[0]}, or separate the two by export_to or cluster selector",
                other.name,
            )
        if port.number == _ALWAYS_HTTP or any(snapshot.indexes.sharing_port(entry, port.number, ListenerProtocol.HTTP)):
            return None
        if any(foreign_on_clusters(snapshot, entry, snapshot.inventories.on_port(port.number, ListenerProtocol.HTTP))):
            return None
        return self.finding(
            f"ports[{index}].number",
            f"this is the first known HTTP service on port {port.number}; sidecars will wait for the client's first "
            "bytes there, so servers that speak first stop working on this port, and requests to other hosts get 502 "
            "under REGISTRY_ONLY",
            f"no change is needed if clients always speak first on port {port.number}; otherwise restrict export_to to "
            f"the namespaces that call {entry.hosts[0]}",
        )

    def _check_opaque(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        other = _other_host(snapshot, entry, port, (ListenerProtocol.HTTP,))
        if other is None:
            return None
        return self.finding(
            f"ports[{index}].protocol",
            f"{other.name} declares port {port.number} as HTTP for {other.hosts[0]}, so sidecars wait for the client's "
            f"first bytes there; {entry.hosts[0]} does not work if it speaks first, as many databases do",
            f"set addresses to the single addresses of {entry.hosts[0]}, use another port for one of the two, or "
            "separate them by export_to or cluster selector",
            other.name,
        )


def _other_host(
    snapshot: Snapshot, entry: ServiceEntry, port: ServicePort, how: Iterable[ListenerProtocol]
) -> ServiceEntry | None:
    """An entry for other hosts that uses the listener like this; EGR0101 covers entries for the same host."""
    sharing = (other for theirs in how for other in snapshot.indexes.sharing_port(entry, port.number, theirs))
    return next((other for other in sharing if set(entry.hosts).isdisjoint(other.hosts)), None)
