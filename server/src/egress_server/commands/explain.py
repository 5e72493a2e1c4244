"""What will happen to a destination, and by which resource: from desired state, without any traffic."""

from dataclasses import dataclass

from egress_server.commands.probe import find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.commands.sight import look_at
from egress_server.domain.expect import Asked
from egress_server.domain.explain import Explanation, explain
from egress_server.domain.names import Name


@dataclass(frozen=True, slots=True)
class Explain:
    """Explain a connection of a workload on `cluster`."""

    cluster: Name
    asked: Asked

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.cluster.mesh


async def explain_destination(services: Services, caller: Caller, query: Explain) -> Explanation:
    """The explanation, as of this process's snapshot; raises NotFound CLUSTER_NOT_FOUND."""
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    wanted, told = look_at(replica, cluster, services.clock())
    return explain(replica.snapshot, wanted, query.asked, told)
