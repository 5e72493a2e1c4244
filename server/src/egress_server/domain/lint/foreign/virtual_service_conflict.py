"""EGR0704: a fault or traffic settings for a host with an unmanaged VirtualService.

Istio uses one VirtualService per host, the oldest that a namespace sees. If that one is unmanaged, an applier does not
write a second one that would be ignored: it reports FOREIGN_OWNER, and the resource has no effect on requests.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry
from egress_server.domain.observed.foreign_config import describe_object, virtual_service_name
from egress_server.domain.observed.inventory import ForeignVirtualService


class VirtualServiceConflict(Rule[Fault | ServiceEntry]):
    """One finding per host."""

    code = "EGR0704"
    severity = Severity.WARNING
    title = "routes for a host with an unmanaged VirtualService"
    applies_to = (Fault, ServiceEntry)
    related_codes = ("IST0109", "KIA1106")

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign VirtualServices for the same hosts."""
        if isinstance(resource, Fault):
            yield from self._check_host(snapshot, resource, "host", resource.host)
        elif resource.traffic.routes_requests:
            for index, host in enumerate(resource.hosts):
                yield from self._check_host(snapshot, resource, f"hosts[{index}]", host)

    def _check_host(
        self, snapshot: Snapshot, resource: Fault | ServiceEntry, field: str, host: str
    ) -> Iterator[Finding]:
        found = on_clusters(snapshot, resource.cluster_selector, snapshot.inventories.virtual_service_for(host))
        for cluster, other in found:
            name = virtual_service_name(other)
            if name not in cluster.orders.adopted and not _is_older(snapshot, resource, other):
                yield self.finding(
                    field,
                    f"on cluster {cluster.id}, {describe_object(name, other.owner)} routes requests to {host}, and "
                    "Istio uses only one VirtualService per host: these settings have no effect there",
                    f"run `egressctl cluster adopt {cluster.id} {name}`, or remove the VirtualService",
                )
                return


def _is_older(snapshot: Snapshot, resource: Fault | ServiceEntry, other: ForeignVirtualService) -> bool:
    """Whether the managed resource was created first."""
    known = snapshot.get(resource.name)
    return known is not None and known.create_time < other.create_time
