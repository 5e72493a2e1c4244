"""EGR0601: a fault on a connection in which the sidecar sees no requests.

A fault affects HTTP requests. In a TLS or TCP connection the sidecar sees none, so the fault has no effect there
(istio#15145, #30828).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import matches_host


class FaultWithoutRequests(ExplainRule):
    """One finding per fault."""

    code = "EGR0601"
    severity = Severity.WARNING
    title = "fault on a connection in which the sidecar sees no requests"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the faults on the host."""
        evaluation = connection.evaluation
        if not evaluation.hides_requests:
            return
        destination = evaluation.request.destination
        for active in connection.effective.faults:
            if matches_host(active.fault.host, destination.host):
                yield self.finding(
                    "url",
                    "the fault affects HTTP requests, but the sidecar sees no requests in connections to "
                    f"{destination.url}, so the fault has no effect",
                    "send plain HTTP to a port declared as HTTP, HTTP2 or GRPC; the sidecar can then originate TLS "
                    "(tls_origination)",
                    active.fault.name,
                )
