"""EGR0101: different protocols for one host and port in two entries that a workload may see together.

A sidecar knows one protocol per host and port. If there are two, one of the entries is silently ignored, and which one
depends on their age and namespace (istioctl reports it as IST0177). HTTPS and TLS are the same to a sidecar, and so are
GRPC and HTTP2.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import can_coexist

_SAME = {
    Protocol.HTTPS: Protocol.TLS,
    Protocol.GRPC: Protocol.HTTP2,
    Protocol.MYSQL: Protocol.TCP,
    Protocol.REDIS: Protocol.TCP,
}


class ProtocolConflict(Rule[ServiceEntry]):
    """One finding per port and conflicting entry."""

    code = "EGR0101"
    severity = Severity.ERROR
    title = "different protocols for one host and port"
    applies_to = (ServiceEntry,)
    suppressible = True
    related_codes = ("IST0177", "KIA1212")

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts."""
        for host in entry.hosts:
            for other in snapshot.entries_with_host(host).values():
                if other.name == entry.name or not can_coexist(entry, other):
                    continue
                for index, port in enumerate(entry.ports):
                    theirs = next((p for p in other.ports if p.number == port.number), port)
                    if _canonical(theirs) is not _canonical(port):
                        yield self._conflict(host, index, port, other, theirs)

    def reads(self, _: Snapshot, entry: ServiceEntry) -> Iterator[str]:
        """The buckets of its hosts."""
        return (f"host/{host}" for host in entry.hosts)

    def _conflict(self, host: str, index: int, port: ServicePort, other: ServiceEntry, theirs: ServicePort) -> Finding:
        return self.finding(
            f"ports[{index}].protocol",
            f"{host} port {port.number} is {port.protocol.label} here but {theirs.protocol.label} in {other.name}; a "
            "sidecar that sees both uses one of them and silently ignores the other",
            f"declare port {port.number} as {theirs.protocol.label}, or separate the two by export_to or cluster "
            "selector",
            other.name,
        )


def _canonical(port: ServicePort) -> Protocol:
    return _SAME.get(port.protocol, port.protocol)
