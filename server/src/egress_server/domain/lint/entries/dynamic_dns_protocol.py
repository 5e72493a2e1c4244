"""EGR0104: resolution DYNAMIC_DNS on a port whose protocol names no host.

DYNAMIC_DNS resolves the name in each request or TLS greeting. Istio takes it for HTTP, HTTP2, GRPC and TLS only.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, Resolution, ServiceEntry

_SERVED = frozenset({Protocol.HTTP, Protocol.HTTP2, Protocol.GRPC, Protocol.TLS})
_INSTEAD = {Protocol.HTTPS: Protocol.TLS, Protocol.GRPC_WEB: Protocol.HTTP}


class DynamicDnsProtocol(Rule[ServiceEntry]):
    """One finding for each port."""

    code = "EGR0104"
    severity = Severity.ERROR
    title = "resolution DYNAMIC_DNS with a protocol it can't serve"
    on = (ServiceEntry,)
    related_codes = ("IST0106",)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entry alone."""
        if entry.resolution is not Resolution.DYNAMIC_DNS:
            return
        for index, port in enumerate(entry.ports):
            if port.protocol not in _SERVED:
                instead = _INSTEAD.get(port.protocol)
                yield self.found(
                    f"ports[{index}].protocol",
                    f"DYNAMIC_DNS takes the host from each request, and only from HTTP, HTTP2, GRPC and TLS; port "
                    f"{port.number} is {port.protocol.value}, and Istio refuses the entry",
                    f"declare port {port.number} as {instead.value}"
                    if instead
                    else "use resolution DNS with one host, or NONE with the addresses of the host",
                )
