"""EGR0104: resolution DYNAMIC_DNS on a port whose protocol carries no host name.

DYNAMIC_DNS resolves the name in each request or TLS handshake. Istio accepts it for HTTP, HTTP2, GRPC and TLS only.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, Resolution, ServiceEntry

_SUPPORTED = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS})
_ALTERNATIVE = {Protocol.HTTPS: Protocol.TLS, Protocol.GRPC_WEB: Protocol.HTTP}


class DynamicDnsProtocol(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0104"
    severity = Severity.ERROR
    title = "resolution DYNAMIC_DNS with an unsupported protocol"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0106",)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        if entry.resolution is not Resolution.DYNAMIC_DNS:
            return
        for index, port in enumerate(entry.ports):
            if port.protocol not in _SUPPORTED:
                alternative = _ALTERNATIVE.get(port.protocol)
                yield self.finding(
                    f"ports[{index}].protocol",
                    "DYNAMIC_DNS takes the host from each request, which only works for HTTP, HTTP2, GRPC and TLS; "
                    f"port {port.number} is {port.protocol.label}, so Istio rejects the entry",
                    f"declare port {port.number} as {alternative.value}"
                    if alternative
                    else "use resolution DNS with one host, or NONE with the host's addresses",
                )
