"""EGR0603: a connection that another host's TCP port captures.

Without addresses, a TCP port of an entry listens on every address: it captures each connection to that port, whatever
its destination (istio#6695, #8462).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import matches_host


class CapturedByPort(ExplainRule):
    """At most one finding."""

    code = "EGR0603"
    severity = Severity.WARNING
    title = "connection captured by another host's TCP port"
    related_codes = ("IST0134",)

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the entry that gets the connection."""
        owner, destination = connection.evaluation.owner, connection.evaluation.request.destination
        if owner and not owner.entry.addresses and not matches_host(owner.host, destination.host):
            yield self.finding(
                "url",
                f"the entry for {owner.host} is TCP without addresses, so it captures every connection to port "
                f"{destination.port}, including this one to {destination.host}",
                "set addresses in that entry",
                owner.entry.name,
            )
