"""EGR0704: a fault or traffic settings for a host whose VirtualService somebody else has.

Istio heeds one VirtualService for a host, the oldest that a namespace sees. Where that is not ours, an applier does not
write a second one that nobody would heed: it reports FOREIGN_OWNER, and what the resource says of requests does
nothing.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry, is_routed
from egress_server.domain.observed.foreign_config import virtual_service_name
from egress_server.domain.observed.inventory import ForeignVirtualService


class ForeignRouteConflict(Rule[Fault | ServiceEntry]):
    """One finding for each host."""

    code = "EGR0704"
    severity = Severity.WARNING
    title = "routes for a host whose VirtualService is somebody else's"
    on = (Fault, ServiceEntry)
    related_codes = ("IST0109", "KIA1106")

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Looks at the VirtualServices of others for the same hosts."""
        if isinstance(resource, Fault):
            yield from self._of_host(snapshot, resource, "host", resource.host)
        elif is_routed(resource.traffic):
            for index, host in enumerate(resource.hosts):
                yield from self._of_host(snapshot, resource, f"hosts[{index}]", host)

    def _of_host(self, snapshot: Snapshot, resource: Fault | ServiceEntry, field: str, host: str) -> Iterator[Finding]:
        there = on_clusters(snapshot, resource.cluster_selector, snapshot.inventories.routing(host))
        for cluster, theirs in there:
            name = virtual_service_name(theirs)
            if name not in cluster.adopted and not _came_first(snapshot, resource, theirs):
                by = f", by {theirs.owner}" if theirs.owner else ""
                yield self.found(
                    field,
                    f"on cluster {cluster.id} VirtualService {theirs.namespace}/{theirs.name} (not ours{by}) routes "
                    f"requests to {host}, and Istio heeds one for a host: what is set here does nothing there",
                    f"egressctl cluster adopt {cluster.id} {name}, or have it removed",
                )
                return


def _came_first(snapshot: Snapshot, resource: Fault | ServiceEntry, theirs: ForeignVirtualService) -> bool:
    known = snapshot.get(resource.name)
    return known is not None and known.create_time < theirs.create_time
