"""EGR0122: a port without a protocol.

The sidecar waits for the client's first bytes to detect HTTP. A server that speaks first therefore never answers, and
timeouts, retries, routes and faults require a port that is declared as HTTP.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, ServiceEntry


class UndeclaredProtocol(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0122"
    severity = Severity.WARNING
    title = "port without a protocol"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        for index, port in enumerate(entry.ports):
            if port.protocol is Protocol.DETECTED:
                yield self.finding(
                    f"ports[{index}].protocol",
                    f"sidecars detect the protocol of port {port.number} by the client's first bytes: servers that "
                    "speak first, as many databases do, never answer on this port",
                    "declare the protocol: HTTP, HTTP2, GRPC, HTTPS, TLS, or TCP for anything else",
                )
