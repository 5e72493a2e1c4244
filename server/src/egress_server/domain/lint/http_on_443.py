"""EGR0108: port 443 declared as HTTP.

Clients speak TLS to 443. Declared HTTP, the sidecar reads their greeting as a broken request, for this host and, since
a port is HTTP for all hosts or for none, for every other HTTPS host that the same workloads call.
"""

from collections.abc import Iterator

from egress_server.domain.findings import Finding, Severity
from egress_server.domain.lint.rule import Rule
from egress_server.domain.resources import ServiceEntry
from egress_server.domain.snapshot import Snapshot


class HttpOn443(Rule[ServiceEntry]):
    """One finding at most: a number stands only once in an entry."""

    code = "EGR0108"
    severity = Severity.WARNING
    title = "port 443 declared HTTP"
    on = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entry alone."""
        for index, port in enumerate(entry.ports):
            if port.number == 443 and port.protocol.is_http:
                yield self.found(
                    f"ports[{index}].protocol",
                    f"{port.protocol.value} on 443 makes sidecars read port 443 as HTTP for all hosts: HTTPS to "
                    f"{entry.hosts[0]} and to every other host breaks",
                    "declare port 443 as HTTPS; where the sidecar is to speak TLS, declare port 80 HTTP with target "
                    "port 443 and set traffic.tls_origination",
                )
