"""The desired state of one mesh at one revision, in memory, with the indexes that commands and lint use.

It is mutable and belongs to one event loop: a command reads it without awaiting, so it always sees one revision.
Buckets name the parts of it that a blocking rule may read; the store refuses a commit if one of the buckets that were
read has changed since.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from egress_server.domain.desired.indexes import Indexes
from egress_server.domain.istio.listener_protocol import tcp_without_addresses
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Resource, ServiceEntry
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.observed.inventory_index import Inventories


def buckets_of(resource: Resource) -> frozenset[str]:
    """The buckets affected by a change of `resource` from or to this state."""
    own = f"key/{resource.name}"
    match resource:
        case ServiceEntry(hosts=hosts):
            ports = (f"tcp/{port.number}" for _, port in tcp_without_addresses(resource))
            return frozenset([own, *(f"host/{host}" for host in hosts), *ports])
        case Fault(host=host):
            return frozenset([own, f"host/{host}"])
        case OutboundPolicy(scope=scope):
            return frozenset([own, f"scope/outboundPolicies/{scope.key()}"])
        case Interception(scope=scope):
            return frozenset([own, f"scope/interceptions/{scope.key()}"])
        case Cluster():
            return frozenset([own, "clusters"])
    return frozenset([own])


@dataclass(frozen=True, slots=True)
class Update:
    """What one revision did to one resource; `versioned.deleted` if it deleted it."""

    revision: int
    versioned: Versioned[Resource]


class Snapshot:
    """Desired state of `mesh` at `revision` of the store's `epoch`."""

    def __init__(
        self,
        mesh: str,
        epoch: str,
        revision: int,
        resources: Iterable[Versioned[Resource]],
        *,
        for_lint: bool = True,
        inventories: Inventories | None = None,
    ) -> None:
        self.mesh = mesh
        self.epoch = epoch
        self.revision = revision
        self.inventories = Inventories() if inventories is None else inventories
        """The foreign objects on the clusters, as last reported to this process; not part of any revision."""
        self._indexes = Indexes() if for_lint else None
        self._by_kind: dict[ResourceKind, dict[str, Versioned[Resource]]] = {kind: {} for kind in ResourceKind}
        self._sorted: dict[ResourceKind, list[str]] = {}
        self._by_host: dict[str, dict[str, ServiceEntry]] = defaultdict(dict)
        for versioned in resources:
            self._put(versioned)

    @property
    def indexes(self) -> Indexes:
        """The indexes for lint. A copy made for a plan has none."""
        assert self._indexes is not None
        return self._indexes

    def get(self, name: str) -> Versioned[Resource] | None:
        """The resource of this name, or None."""
        return self._by_kind[parse_name(name).kind].get(name)

    def of_kind(self, kind: ResourceKind) -> Mapping[str, Versioned[Resource]]:
        """All resources of a kind by name, unordered."""
        return self._by_kind[kind]

    def names(self, kind: ResourceKind) -> list[str]:
        """The sorted names of a kind, cached until one is added or removed. Must not be modified."""
        if kind not in self._sorted:
            self._sorted[kind] = sorted(self._by_kind[kind])
        return self._sorted[kind]

    def entry(self, name: str) -> ServiceEntry | None:
        """The service entry of this name, or None."""
        versioned = self._by_kind[ResourceKind.SERVICE_ENTRY].get(name)
        return versioned.resource if versioned and isinstance(versioned.resource, ServiceEntry) else None

    def entries_with_host(self, host: str) -> Mapping[str, ServiceEntry]:
        """The service entries that list exactly `host`, by name."""
        return self._by_host.get(host, {})

    def knows_namespace(self, namespace: str) -> bool:
        """Whether a resource belongs to `namespace` or names it, or some cluster has it."""
        return self.indexes.is_referenced(namespace) or self.inventories.has_namespace(namespace)

    def clusters(self, selector: ClusterSelector | None = None) -> list[Cluster]:
        """The registered clusters in the order of their names; with `selector` only those that it matches."""
        found = (self._by_kind[ResourceKind.CLUSTER][name].resource for name in self.names(ResourceKind.CLUSTER))
        return [c for c in found if isinstance(c, Cluster) and (selector is None or selector.selects(c))]

    def has_cluster(self, selector: ClusterSelector) -> bool:
        """Whether `selector` matches a registered cluster."""
        found = (versioned.resource for versioned in self._by_kind[ResourceKind.CLUSTER].values())
        return any(isinstance(cluster, Cluster) and selector.selects(cluster) for cluster in found)

    def cluster(self, cluster_id: str) -> Cluster | None:
        """The registered cluster with this id, or None."""
        versioned = self._by_kind[ResourceKind.CLUSTER].get(f"meshes/{self.mesh}/clusters/{cluster_id}")
        return versioned.resource if versioned and isinstance(versioned.resource, Cluster) else None

    def apply(self, update: Update) -> None:
        """Advance to `update.revision`. Updates at or before the current revision are ignored."""
        if update.revision <= self.revision:
            return
        self._remove(update.versioned.resource.name)
        if not update.versioned.deleted:
            self._put(update.versioned)
        self.revision = update.revision

    def copy_with(self, resource: Resource, *, deleted: bool, like: Versioned[Resource]) -> "Snapshot":
        """A copy in which `resource` is set or deleted, for plans, with the times of `like`."""
        everything = (v for by_name in self._by_kind.values() for v in by_name.values())
        other = Snapshot(self.mesh, self.epoch, self.revision, everything, for_lint=False)
        version = Versioned(resource, self.revision + 1, like.create_time, like.update_time, deleted)
        other.apply(Update(self.revision + 1, version))
        return other

    def reverted(self, revision: int, former: Mapping[str, Versioned[Resource] | None]) -> "Snapshot":
        """The state at an earlier revision, at which the resources in `former` were as given there; None for those that
        did not exist."""
        kept = (v for by_name in self._by_kind.values() for name, v in by_name.items() if name not in former)
        everything = (*kept, *(versioned for versioned in former.values() if versioned))
        return Snapshot(self.mesh, self.epoch, revision, everything, inventories=self.inventories)

    def _put(self, versioned: Versioned[Resource]) -> None:
        resource = versioned.resource
        kind = parse_name(resource.name).kind
        if resource.name not in self._by_kind[kind]:
            self._sorted.pop(kind, None)
        self._by_kind[kind][resource.name] = versioned
        if self._indexes is not None:
            self._indexes.add(resource)
        if isinstance(resource, ServiceEntry):
            for host in resource.hosts:
                self._by_host[host][resource.name] = resource

    def _remove(self, name: str) -> None:
        kind = parse_name(name).kind
        versioned = self._by_kind[kind].pop(name, None)
        if versioned is None:
            return
        self._sorted.pop(kind, None)
        if self._indexes is not None:
            self._indexes.remove(versioned.resource)
        if isinstance(versioned.resource, ServiceEntry):
            for host in versioned.resource.hosts:
                self._by_host[host].pop(name, None)
                if not self._by_host[host]:
                    del self._by_host[host]
