"""EGR0108: port 443 declared as HTTP.

Clients use TLS on 443, which such an entry does not register: HTTPS to its host is treated as unregistered, so it is
blocked under REGISTRY_ONLY, and passes under ALLOW_ANY without routes and metrics.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class HttpOn443(Rule[ServiceEntry]):
    """At most one finding, because port numbers are unique in an entry."""

    code = "EGR0108"
    severity = Severity.WARNING
    title = "port 443 declared as HTTP"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        for index, port in enumerate(entry.ports):
            if port.number == 443 and port.protocol.is_http:
                yield self.finding(
                    f"ports[{index}].protocol",
                    f"clients use TLS on 443, but {port.protocol.label} registers only plain-text requests: HTTPS to "
                    f"{entry.hosts[0]} is blocked under REGISTRY_ONLY and treated as unregistered under ALLOW_ANY",
                    "declare port 443 as HTTPS; to have the sidecar originate TLS, declare port 80 as HTTP with target "
                    "port 443 and set traffic.tls_origination",
                )
