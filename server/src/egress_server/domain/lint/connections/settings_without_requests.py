"""EGR0608: timeout, retries or routes on a connection in which the sidecar sees no requests.

They apply to HTTP requests. An entry with ports 80 and 443 has them on port 80 only: what clients send over TLS is not
timed out, retried or routed by the sidecar (istio#47713, #19101).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import TrafficSettings


class SettingsWithoutRequests(ExplainRule):
    """One finding per entry of the host."""

    code = "EGR0608"
    severity = Severity.WARNING
    title = "traffic settings on a connection without visible requests"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the managed entries for exactly this host."""
        evaluation = connection.evaluation
        if not evaluation.hides_requests:
            return
        destination = evaluation.request.destination
        for entry in connection.effective.entries:
            registered = destination.host in entry.hosts and destination.port in {port.number for port in entry.ports}
            if registered and (settings := _for_requests(entry.traffic)):
                yield self.finding(
                    "url",
                    f"the sidecar sees no requests in connections to {destination.url}, so the entry's settings "
                    f"have no effect: {settings}",
                    "send plain HTTP to a port declared as HTTP, HTTP2 or GRPC; the sidecar can then originate TLS "
                    "(tls_origination)",
                    entry.name,
                )


def _for_requests(settings: TrafficSettings) -> str:
    names = (("timeout", settings.timeout is not None), ("retries", settings.retries), ("routes", settings.routes))
    return ", ".join(name for name, is_set in names if is_set)
