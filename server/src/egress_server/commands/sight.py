"""A cluster as explain, the registry and probes look at it: desired state, less what the applier could not put there,
beside what it found there."""

from datetime import datetime

from egress_server.domain.effective import Effective, effective, without
from egress_server.domain.resources import Cluster
from egress_server.domain.told import Told
from egress_server.domain.view import obstacles, with_inventory
from egress_server.ports.store import Replica


def look_at(replica: Replica, cluster: Cluster, now: datetime) -> tuple[Effective, Told]:
    """What decides on `cluster`, as far as its applier has told."""
    wanted = effective(replica.snapshot, cluster, now)
    status, inventory = replica.statuses.get(cluster.id), replica.inventories.get(cluster.id)
    told = Told(status, inventory, obstacles(wanted, status))
    return with_inventory(without(wanted, told.obstacles), inventory), told
