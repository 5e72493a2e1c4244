"""EGR0114: outlier detection on an entry in which the sidecar sees no requests.

Outlier detection counts 5xx responses. In TLS and TCP connections the sidecar sees none; it only counts connections
that can't be established, so a server that answers every request with an error is never ejected (istio#17521).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class OutliersWithoutRequests(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0114"
    severity = Severity.WARNING
    title = "outlier detection where the sidecar sees no responses"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        if entry.traffic.outlier_detection and not entry.has_http:
            yield self.finding(
                "traffic.outlier_detection",
                f"all ports of {entry.hosts[0]} are TLS or TCP, in which the sidecar sees no responses: only failed "
                "connections count, and a server that answers with errors is never ejected",
                "expect failed connections to be the only reason for ejection"
                + (
                    ", or have the sidecar originate TLS: port 80 as HTTP with target port 443, and "
                    "traffic.tls_origination"
                    if any(port.protocol.is_tls for port in entry.ports)
                    else ""
                ),
            )
