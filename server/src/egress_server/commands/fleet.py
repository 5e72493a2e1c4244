"""What can be asked of the clusters themselves: who serves there, and to look at one afresh."""

from collections.abc import Sequence
from dataclasses import dataclass

from egress_server.commands.services import Caller, Services
from egress_server.domain.errors import NotFound
from egress_server.domain.listing import Listing, page_of
from egress_server.domain.names import Kind, Name
from egress_server.domain.rollout import ClusterStatus
from egress_server.domain.snapshot import Snapshot
from egress_server.ports.agents import AgentInfo


@dataclass(frozen=True, slots=True)
class ListAgents:
    """Agents of one cluster by its id, or of all where that is empty."""

    mesh: str
    cluster: str
    listing: Listing


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One page of agents."""

    mesh: str
    agents: tuple[AgentInfo, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Resync:
    """Have a cluster looked at afresh."""

    name: Name

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.name.mesh


async def list_agents(services: Services, caller: Caller, query: ListAgents) -> AgentPage:
    """One page, in the order of their names; raises NotFound where the cluster is not registered."""
    ids = cluster_ids(services.replica(query.mesh).snapshot, query.mesh, query.cluster)
    by_key = {
        f"{info.agent}/{info.cluster}/{info.namespace}": info
        for id_ in ids
        for info in services.agents.attached(query.mesh, id_)
    }
    page = page_of(sorted(by_key), query.listing, by_key.__getitem__)
    return AgentPage(query.mesh, tuple(by_key[key] for key in page.keys), page.next_page_token)


async def resync(services: Services, caller: Caller, command: Resync) -> ClusterStatus | None:
    """Asks the cluster's applier, wherever it runs; returns the cluster's record as of now, None where there is none.
    Raises NotFound where it is not registered."""
    replica = services.replica(command.mesh)
    _check_registered(replica.snapshot, command.name)
    await services.store.ask_resync(command.mesh, command.name.id)
    return replica.statuses.get(command.name.id)


def cluster_ids(snapshot: Snapshot, mesh: str, cluster: str) -> Sequence[str]:
    """The id `cluster`, or those of all where that is empty; raises NotFound where it is not registered."""
    if not cluster:
        return [each.id for each in snapshot.clusters()]
    _check_registered(snapshot, Name(mesh, Kind.CLUSTER, cluster))
    return [cluster]


def _check_registered(snapshot: Snapshot, name: Name) -> None:
    if snapshot.cluster(name.id) is None:
        raise NotFound(f"{name} does not exist", reason="RESOURCE_NOT_FOUND", metadata={"resource": str(name)})
