"""EGR0101: one host and port with different protocols in two entries that a workload may see together.

A sidecar knows one protocol for a host's port; with two, one of the entries is dropped without a word, and which one
depends on their age and namespace (istioctl reports it as IST0177). HTTPS and TLS are one to a sidecar,
and so are GRPC and HTTP2.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import can_coexist

_SAME = {Protocol.HTTPS: Protocol.TLS, Protocol.GRPC: Protocol.HTTP2}


class ProtocolConflict(Rule[ServiceEntry]):
    """One finding for each port of each other entry that it conflicts with."""

    code = "EGR0101"
    severity = Severity.ERROR
    title = "one host and port with different protocols"
    on = (ServiceEntry,)
    forceable = True
    related_codes = ("IST0177",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entries of the same hosts."""
        for host in entry.hosts:
            for other in snapshot.entries_with_host(host).values():
                if other.name == entry.name or not can_coexist(entry, other):
                    continue
                for index, port in enumerate(entry.ports):
                    theirs = next((p for p in other.ports if p.number == port.number), port)
                    if _spoken(theirs) is not _spoken(port):
                        yield self._about(host, index, port, other, theirs)

    def reads(self, _: Snapshot, entry: ServiceEntry) -> Iterator[str]:
        """The buckets of its hosts."""
        return (f"host/{host}" for host in entry.hosts)

    def _about(self, host: str, index: int, port: ServicePort, other: ServiceEntry, theirs: ServicePort) -> Finding:
        return self.found(
            f"ports[{index}].protocol",
            f"{host} port {port.number} is {port.protocol.value} here and {theirs.protocol.value} in "
            f"{other.name}; a sidecar that sees both keeps one of them and ignores the other",
            f"declare port {port.number} as {theirs.protocol.value}, or keep the two apart by "
            "export_to or cluster selector",
            other.name,
        )


def _spoken(port: ServicePort) -> Protocol:
    return _SAME.get(port.protocol, port.protocol)
