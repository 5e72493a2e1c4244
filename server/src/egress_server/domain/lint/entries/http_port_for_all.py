"""EGR0107: an HTTP port that has sidecars wait for the client on it, for all hosts.

A sidecar has one listener for the port. With the first HTTP service on it the sidecar looks at what the client says
first: a server that speaks first there (MySQL, SMTP, FTP) is not heard any more, and requests for hosts that nobody
registered are answered with 502 under REGISTRY_ONLY. On port 80 that is so anyway, since nearly every cluster has an
HTTP service there. HTTP and TLS on one port, and TCP whose clients speak first, don't disturb each other.
"""

from collections.abc import Iterable, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import others
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.listener_protocol import OPAQUE, ListenerProtocol, listener_protocol
from egress_server.domain.model.resources import ServiceEntry, ServicePort

ALWAYS_HTTP = 80
TLS_BY_CUSTOM = 443  # EGR0108 speaks of HTTP there


class HttpPortForAll(Rule[ServiceEntry]):
    """One finding for each port, naming an entry whose servers it may silence, if there is one."""

    code = "EGR0107"
    severity = Severity.WARNING
    title = "an HTTP port that has sidecars wait for the client, for all hosts"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at entries that use the same listeners."""
        for index, port in enumerate(entry.ports):
            how = listener_protocol(entry, port)
            found = None
            if how is ListenerProtocol.HTTP and port.number != TLS_BY_CUSTOM:
                found = self._http(snapshot, entry, index, port)
            elif how in OPAQUE:
                found = self._opaque(snapshot, entry, index, port)
            if found:
                yield found

    def _http(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        if victim := _stranger(snapshot, entry, port, OPAQUE):
            theirs = next(p for p in victim.ports if p.number == port.number)
            return self.found(
                f"ports[{index}].protocol",
                f"port {port.number} is {theirs.protocol.value} for {victim.hosts[0]} in {victim.name}; with "
                f"{port.protocol.value} on it sidecars wait for what the client says first, and if that server speaks "
                "first, as databases do, it is not heard any more",
                f"give {victim.name} the single addresses of its host, serve {entry.hosts[0]} on another port, or keep "
                "the two apart by export_to or cluster selector",
                victim.name,
            )
        if port.number == ALWAYS_HTTP or any(snapshot.indexes.beside(entry, port.number, ListenerProtocol.HTTP)):
            return None
        if any(others(snapshot, entry, snapshot.inventories.on_port(port.number, ListenerProtocol.HTTP))):
            return None
        return self.found(
            f"ports[{index}].number",
            f"nothing else is known to have HTTP on port {port.number}; with this one sidecars wait for the client's "
            "first bytes on it: servers that speak first are not heard there, and requests for other hosts get 502 "
            "under REGISTRY_ONLY",
            f"nothing, if clients speak first on port {port.number} everywhere; else narrow export_to to the "
            f"namespaces that call {entry.hosts[0]}",
        )

    def _opaque(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        other = _stranger(snapshot, entry, port, (ListenerProtocol.HTTP,))
        if other is None:
            return None
        return self.found(
            f"ports[{index}].protocol",
            f"{other.name} declares port {port.number} HTTP for {other.hosts[0]}, so sidecars wait there for what the "
            f"client says first; if {entry.hosts[0]} speaks first, as databases do, it is not heard",
            f"give this entry the single addresses of {entry.hosts[0]}, serve one of the two on another port, or keep "
            "them apart by export_to or cluster selector",
            other.name,
        )


def _stranger(
    snapshot: Snapshot, entry: ServiceEntry, port: ServicePort, how: Iterable[ListenerProtocol]
) -> ServiceEntry | None:
    """Another entry that uses the listener so; where hosts are shared EGR0101 speaks."""
    beside = (other for theirs in how for other in snapshot.indexes.beside(entry, port.number, theirs))
    return next((other for other in beside if set(entry.hosts).isdisjoint(other.hosts)), None)
