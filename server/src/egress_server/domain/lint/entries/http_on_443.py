"""EGR0108: port 443 declared as HTTP.

Clients speak TLS to 443, and TLS is not what such an entry registers: HTTPS to its host goes as if nobody had
registered it, cut under REGISTRY_ONLY, past every route and metric under ALLOW_ANY.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


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
                    f"clients speak TLS to 443, and {port.protocol.value} registers only what is no TLS: HTTPS to "
                    f"{entry.hosts[0]} is cut under REGISTRY_ONLY, and passes under ALLOW_ANY as without an entry",
                    "declare port 443 as HTTPS; where the sidecar is to speak TLS, declare port 80 HTTP with target "
                    "port 443 and set traffic.tls_origination",
                )
