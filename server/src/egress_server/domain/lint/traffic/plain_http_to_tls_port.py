"""EGR0112: plain HTTP sent to a port that speaks TLS.

An HTTP port with target port 443 and without TLS origination sends unencrypted requests to a TLS server, which closes
the connection or answers 400: every request fails (istio#22114, #49450). The reverse of EGR0108.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry, ServicePort

_TLS_PORT = 443


class PlainHttpToTlsPort(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0112"
    severity = Severity.WARNING
    title = "plain HTTP sent to a TLS port"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone. EGR0108 covers port 443 itself."""
        origination = entry.traffic.tls_origination
        for index, port in enumerate(entry.ports):
            encrypted = origination is not None and origination.port == port.number
            if not port.protocol.is_http or port.number == _TLS_PORT or encrypted:
                continue
            if field := _field(entry, index, port):
                yield self.finding(
                    field,
                    f"the sidecar sends plain {port.protocol.value} from port {port.number} to port 443 of "
                    f"{entry.hosts[0]}; a TLS server there rejects it, so requests fail",
                    f"set traffic.tls_origination.port to {port.number} to have the sidecar originate TLS, or use the "
                    "target port that accepts plain HTTP",
                )


def _field(entry: ServiceEntry, index: int, port: ServicePort) -> str:
    """The field that leads to port 443; empty if none does."""
    if port.target_port == _TLS_PORT:
        return f"ports[{index}].target_port"
    leads = (i for i, endpoint in enumerate(entry.endpoints) if endpoint.ports.get(port.name) == _TLS_PORT)
    return next((f"endpoints[{i}].ports" for i in leads), "")
