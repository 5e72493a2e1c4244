"""EGR0107: a port that is HTTP for one host is HTTP for all.

A sidecar has one listener for the port, and the first HTTP service on it makes it parse everything there as HTTP: what
is not HTTP breaks, and requests for hosts that nobody registered are answered with 502 under REGISTRY_ONLY. On port 80
that is so anyway, since every cluster has an HTTP service there. Where another entry has TLS or TCP on the port the two
get into each other's way, in whichever order they came.
"""

from collections.abc import Iterable, Iterator

from egress_server.domain.findings import Finding, Severity
from egress_server.domain.lint.beside import others
from egress_server.domain.lint.rule import Rule
from egress_server.domain.listeners import NOT_HTTP, Listens, listens
from egress_server.domain.resources import ServiceEntry, ServicePort
from egress_server.domain.snapshot import Snapshot

ALWAYS_HTTP = 80
TLS_BY_CUSTOM = 443  # EGR0108 speaks of HTTP there


class HttpPortForAll(Rule[ServiceEntry]):
    """One finding for each port, naming an entry that it gets in the way of, if there is one."""

    code = "EGR0107"
    severity = Severity.WARNING
    title = "an HTTP port that turns a port HTTP for all hosts"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at entries that use the same listeners."""
        for index, port in enumerate(entry.ports):
            match listens(entry, port):
                case None:
                    continue
                case Listens.HTTP:
                    found = None if port.number == TLS_BY_CUSTOM else self._http(snapshot, entry, index, port)
                case _:
                    found = self._not_http(snapshot, entry, index, port)
            if found:
                yield found

    def _http(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        if victim := _stranger(snapshot, entry, port, NOT_HTTP):
            theirs = next(p for p in victim.ports if p.number == port.number)
            return self.found(
                f"ports[{index}].protocol",
                f"port {port.number} is {theirs.protocol.value} for {victim.hosts[0]} in {victim.name}, and "
                f"{port.protocol.value} here makes it HTTP for all hosts: one of the two stops working",
                f"serve {entry.hosts[0]} on another port, or keep the two apart by export_to or cluster selector",
                victim.name,
            )
        if port.number == ALWAYS_HTTP or any(snapshot.indexes.beside(entry, port.number, Listens.HTTP)):
            return None
        if any(others(snapshot, entry, snapshot.inventories.on_port(port.number, Listens.HTTP))):
            return None
        return self.found(
            f"ports[{index}].number",
            f"nothing else is known to have HTTP on port {port.number}; with this one sidecars read every connection "
            "to it as HTTP: other protocols break there, and other hosts get 502 under REGISTRY_ONLY",
            f"nothing, if port {port.number} is HTTP everywhere; else narrow export_to to the namespaces that call "
            f"{entry.hosts[0]}",
        )

    def _not_http(self, snapshot: Snapshot, entry: ServiceEntry, index: int, port: ServicePort) -> Finding | None:
        other = _stranger(snapshot, entry, port, (Listens.HTTP,))
        if other is None:
            return None
        return self.found(
            f"ports[{index}].protocol",
            f"port {port.number} is HTTP for all hosts since {other.name} declares it so for {other.hosts[0]}, and "
            f"{port.protocol.value} here does not fit into that: one of the two stops working",
            f"serve one of them on another port, give this entry the single addresses of {entry.hosts[0]}, or keep the "
            "two apart by export_to or cluster selector",
            other.name,
        )


def _stranger(
    snapshot: Snapshot, entry: ServiceEntry, port: ServicePort, how: Iterable[Listens]
) -> ServiceEntry | None:
    """Another entry that uses the listener so; where hosts are shared EGR0101 speaks."""
    beside = (other for theirs in how for other in snapshot.indexes.beside(entry, port.number, theirs))
    return next((other for other in beside if set(entry.hosts).isdisjoint(other.hosts)), None)
