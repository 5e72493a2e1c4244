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
        originated = entry.traffic.tls_origination.port if entry.traffic.tls_origination else 0
        for index, port in enumerate(entry.ports):
            plain = port.protocol.is_http and port.number not in {_TLS_PORT, originated}
            if plain and (field := _field(entry, index, port)):
                yield self.finding(
                    field,
                    f"the sidecar sends plain {port.protocol.label} from port {port.number} to port 443 of "
                    f"{entry.hosts[0]}; a TLS server there rejects it, so requests fail",
                    "use a target port that accepts plain HTTP, or have the sidecar originate TLS: target_port 443 and "
                    "traffic.tls_origination, for one HTTP port of the entry",
                )


def _field(entry: ServiceEntry, index: int, port: ServicePort) -> str:
    """The field that leads to port 443; empty if none does. A port of an endpoint takes precedence."""
    for number, endpoint in enumerate(entry.endpoints):
        if endpoint.ports.get(port.name) == _TLS_PORT:
            return f"endpoints[{number}].ports"
    used = not entry.endpoints or any(port.name not in endpoint.ports for endpoint in entry.endpoints)
    return f"ports[{index}].target_port" if used and port.target_port == _TLS_PORT else ""
