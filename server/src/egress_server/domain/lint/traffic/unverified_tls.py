"""EGR0116: TLS origination that accepts any certificate.

With insecure_skip_verify the sidecar does not check who it talks to: whoever can redirect the connection can read and
change the requests, and the workload, which sends plain HTTP, has no way to notice.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class UnverifiedTls(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0116"
    severity = Severity.WARNING
    title = "TLS origination without certificate verification"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0128", "IST0129")

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        if entry.traffic.tls_origination and entry.traffic.tls_origination.insecure_skip_verify:
            yield self.finding(
                "traffic.tls_origination.insecure_skip_verify",
                f"the sidecar accepts any certificate for {entry.hosts[0]}, so whoever can redirect the connection can "
                "read and change the requests",
                "remove insecure_skip_verify; if the server's certificate has another name, set sni to that name",
            )
