"""A cluster as explain, the registry and probes see it: desired state as far as the applier could apply it, plus
the unmanaged configuration that it observed."""

from datetime import datetime

from egress_server.domain.desired.cluster_view import ClusterReport, as_held, current_obstacles, with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.names import Name
from egress_server.ports.store import Replica


def cluster_view(
    replica: Replica, snapshot: Snapshot, cluster: Cluster, now: datetime
) -> tuple[Effective, ClusterReport]:
    """The configuration that takes effect on `cluster` if it holds `snapshot`, and the applier's report that it is
    based on."""
    wanted = effective(snapshot, cluster, now)
    status, inventory = replica.statuses.get(cluster.id), replica.inventories.get(cluster.id)
    report = ClusterReport(status, inventory, current_obstacles(wanted, status, replica.snapshot))
    return with_inventory(as_held(wanted, report.obstacles), inventory), report


def find_cluster(replica: Replica, name: Name) -> Cluster:
    """The registered cluster of this name. Raises NotFound CLUSTER_NOT_FOUND."""
    cluster = replica.snapshot.cluster(name.id)
    if cluster is None:
        raise NotFound(f"{name} is not registered", reason="CLUSTER_NOT_FOUND", metadata={"cluster": str(name)})
    return cluster
