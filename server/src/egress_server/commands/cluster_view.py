"""A cluster as explain, the registry and probes look at it: desired state, less what the applier could not put there,
beside what it found there."""

from datetime import datetime

from egress_server.domain.desired.cluster_view import ClusterReport, current_obstacles, with_inventory
from egress_server.domain.desired.effective import Effective, effective, without
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.names import Name
from egress_server.ports.store import Replica


def cluster_view(replica: Replica, cluster: Cluster, now: datetime) -> tuple[Effective, ClusterReport]:
    """What decides on `cluster`, as far as its applier has told."""
    wanted = effective(replica.snapshot, cluster, now)
    status, inventory = replica.statuses.get(cluster.id), replica.inventories.get(cluster.id)
    told = ClusterReport(status, inventory, current_obstacles(wanted, status))
    return with_inventory(without(wanted, told.obstacles), inventory), told


def find_cluster(replica: Replica, name: Name) -> Cluster:
    """The registered cluster of this name; raises NotFound CLUSTER_NOT_FOUND."""
    cluster = replica.snapshot.cluster(name.id)
    if cluster is None:
        raise NotFound(f"{name} is not registered", reason="CLUSTER_NOT_FOUND", metadata={"cluster": str(name)})
    return cluster
