"""EGR0115: a forward proxy declared as HTTP.

Clients ask a forward proxy for a tunnel by CONNECT. On an HTTP port the sidecar answers the CONNECT request itself,
with 404, instead of passing it to the proxy (istio#31557, #32494, #35526). As TCP the tunnel passes through.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry

_PROXY_PORTS = frozenset({3128, 8888})
"""Squid and Tinyproxy; 8080 has too many other uses."""


class HttpProxy(Rule[ServiceEntry]):
    """One finding per port. Only the port's number and the host's name suggest that it is a proxy."""

    code = "EGR0115"
    severity = Severity.INFO
    title = "forward proxy declared as HTTP"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        named = next((host for host in entry.hosts if "proxy" in host.partition(".")[0]), "")
        for index, port in enumerate(entry.ports):
            if port.protocol.is_http and (named or port.number in _PROXY_PORTS):
                yield self.finding(
                    f"ports[{index}].protocol",
                    f"{named or entry.hosts[0]}:{port.number} looks like a forward proxy; on a port declared as "
                    f"{port.protocol.label} the sidecar answers CONNECT requests with 404 instead of passing them on",
                    f"if clients use CONNECT, declare port {port.number} as TCP and set addresses to the proxy's "
                    "addresses; otherwise no change is needed",
                )
