"""EGR0123: resolution STATIC without endpoints.

Istio accepts such an entry. The host is registered, but the sidecar has no address to send requests to.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry


class StaticWithoutEndpoints(Rule[ServiceEntry]):
    """At most one finding. Which workloads a selector finds is only known on the cluster."""

    code = "EGR0123"
    severity = Severity.WARNING
    title = "resolution STATIC without endpoints"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        if entry.resolution is Resolution.STATIC and not entry.endpoints and not entry.workload_selector:
            yield self.finding(
                "endpoints",
                f"the sidecar has no address of {entry.hosts[0]}: requests get 503, and other connections are closed",
                "add the addresses of the service to endpoints, or use resolution DNS",
            )
