"""Clusters with what appliers and agents report about them; resyncs and workload restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.read import Get, ListOf, ReadResult, get, list_resources
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, RestartOrder
from egress_server.domain.model.errors import FailedPrecondition, NotFound
from egress_server.domain.model.names import Name, ResourceKind, parse_name
from egress_server.domain.model.paging import ListQuery, page_of
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.agents import AgentInfo


@dataclass(frozen=True, slots=True)
class FoundClusters:
    """Registered clusters, with status, inventory and number of attached agents by cluster ID."""

    registered: ReadResult
    statuses: Mapping[str, ClusterStatus]
    inventories: Mapping[str, Inventory]
    agents: Mapping[str, int]


async def get_cluster(services: Services, caller: Caller, query: Get) -> FoundClusters:
    """One cluster. Raises NotFound."""
    return _with_status(services, query.mesh, await get(services, caller, query))


async def list_clusters(services: Services, caller: Caller, query: ListOf) -> FoundClusters:
    """One page of clusters."""
    return _with_status(services, query.mesh, await list_resources(services, caller, query))


def _with_status(services: Services, mesh: str, registered: ReadResult) -> FoundClusters:
    ids = [versioned.resource.id for versioned in registered.resources]
    agents = {id_: len(services.agents.attached(mesh, id_)) for id_ in ids}
    replica = services.replica(mesh)
    return FoundClusters(registered, replica.statuses, replica.inventories, agents)


@dataclass(frozen=True, slots=True)
class ListAgents:
    """The agents of one cluster by its ID, or of all clusters if it is empty."""

    mesh: str
    cluster: str
    listing: ListQuery


@dataclass(frozen=True, slots=True)
class AgentPage:
    """One page of agents."""

    mesh: str
    agents: tuple[AgentInfo, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Resync:
    """Read a cluster again and correct any drift."""

    name: Name

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.name.mesh


async def list_agents(services: Services, caller: Caller, query: ListAgents) -> AgentPage:
    """One page, ordered by name. Raises NotFound if the cluster is not registered."""
    ids = cluster_ids(services.replica(query.mesh).snapshot, query.mesh, query.cluster)
    by_key = {
        f"{info.agent}/{info.cluster}/{info.namespace}": info
        for id_ in ids
        for info in services.agents.attached(query.mesh, id_)
    }
    page = page_of(sorted(by_key), query.listing, by_key.__getitem__)
    return AgentPage(query.mesh, tuple(by_key[key] for key in page.keys), page.next_page_token)


async def resync(services: Services, caller: Caller, command: Resync) -> ClusterStatus | None:
    """Requests a resync from the cluster's applier. Returns the cluster's current status, None if there is none. Raises
    NotFound if the cluster is not registered."""
    replica = services.replica(command.mesh)
    _check_registered(replica.snapshot, command.name)
    await services.store.ask_resync(command.mesh, command.name.id)
    return replica.statuses.get(command.name.id)


def cluster_ids(snapshot: Snapshot, mesh: str, cluster: str) -> Sequence[str]:
    """The ID `cluster`, or those of all clusters if it is empty. Raises NotFound if the cluster is not registered."""
    if not cluster:
        return [each.id for each in snapshot.clusters()]
    _check_registered(snapshot, Name(mesh, ResourceKind.CLUSTER, cluster))
    return [cluster]


def _check_registered(snapshot: Snapshot, name: Name) -> None:
    if snapshot.cluster(name.id) is None:
        raise NotFound(f"{name} does not exist", reason="RESOURCE_NOT_FOUND", metadata={"resource": str(name)})


def expect_kubernetes(cluster: Cluster) -> Cluster:
    """The cluster itself. Raises FailedPrecondition TARGET_UNSUPPORTED if it is not a Kubernetes cluster."""
    if not isinstance(cluster.target, KubernetesTarget):
        raise FailedPrecondition(
            f"{cluster.id} is a {cluster.target.kind} cluster; only Kubernetes clusters have unmanaged objects and "
            "workloads",
            reason="TARGET_UNSUPPORTED",
            metadata={"cluster": cluster.id, "target": cluster.target.kind},
        )
    return cluster


@dataclass(frozen=True, slots=True)
class RestartWorkloads:
    """Restart `workloads` on the cluster called `name`, or all stale workloads if empty."""

    name: str
    options: Options
    workloads: tuple[str, ...]

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return parse_name(self.name).mesh


async def restart_workloads(services: Services, caller: Caller, command: RestartWorkloads) -> MutationOutcome[Cluster]:
    """Orders the restart, which replaces an earlier one. Raises FailedPrecondition TARGET_UNSUPPORTED and what mutate
    raises."""
    order = RestartOrder(services.ids(), command.workloads)

    def amend(before: Cluster) -> Cluster:
        cluster = expect_kubernetes(before)
        return replace(cluster, orders=replace(cluster.orders, restart=order))

    mutation = Mutation(command.name, ChangeType.RESTART, None, command.options, amend)
    return await mutate(services, caller, mutation)
