"""EGR0605: requests that an unmanaged VirtualService routes.

Istio uses one VirtualService per host, the oldest that a namespace sees (an exact host before a wildcard); the root
namespace has no priority. If that one is unmanaged, faults and traffic settings for the host have no effect
(istio#36621).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity


class RoutedByForeign(ExplainRule):
    """One finding per resource that has no effect."""

    code = "EGR0605"
    severity = Severity.WARNING
    title = "requests routed by an unmanaged VirtualService"
    related_codes = ("IST0109", "KIA1106")

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the faults and traffic settings for the host."""
        path, effective = connection.evaluation.path, connection.effective
        vs = path.virtual_service
        if vs is None or vs.foreign is None or path.virtual_host is None:
            return
        name, host = (
            vs.resource,
            path.virtual_host.service.host if path.virtual_host.service else path.virtual_host.domain,
        )
        entries = (e.name for e in effective.entries if host in e.hosts and e.traffic.routes_requests)
        faults = (active.fault.name for active in effective.faults if active.fault.host == host)
        for resource in (*entries, *faults):
            yield self.finding(
                "url",
                f"{effective.foreign.describe(name)} routes requests to {host}, and Istio uses only one VirtualService "
                "per host: this resource has no effect on requests here",
                f"run `egressctl cluster adopt {effective.cluster.id} {name}`, or remove the VirtualService",
                resource,
            )
