"""Clusters with what appliers and agents report about them, and requests to look again or restart workloads."""

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
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.agents import AgentInfo


@dataclass(frozen=True, slots=True)
class FoundClusters:
    """Registrations, with status, inventory and number of attached agents by cluster id."""

    found: ReadResult
    statuses: Mapping[str, ClusterStatus]
    inventories: Mapping[str, Inventory]
    agents: Mapping[str, int]


async def get_cluster(services: Services, caller: Caller, query: Get) -> FoundClusters:
    """One cluster; raises NotFound."""
    return _with_status(services, query.mesh, await get(services, caller, query))


async def list_clusters(services: Services, caller: Caller, query: ListOf) -> FoundClusters:
    """One page of clusters."""
    return _with_status(services, query.mesh, await list_resources(services, caller, query))


def _with_status(services: Services, mesh: str, found: ReadResult) -> FoundClusters:
    ids = [v.resource.id for v in found.resources if isinstance(v.resource, Cluster)]
    agents = {id_: len(services.agents.attached(mesh, id_)) for id_ in ids}
    replica = services.replica(mesh)
    return FoundClusters(found, replica.statuses, replica.inventories, agents)


@dataclass(frozen=True, slots=True)
class ListAgents:
    """Agents of one cluster by its id, or of all where that is empty."""

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
    _check_registered(snapshot, Name(mesh, ResourceKind.CLUSTER, cluster))
    return [cluster]


def _check_registered(snapshot: Snapshot, name: Name) -> None:
    if snapshot.cluster(name.id) is None:
        raise NotFound(f"{name} does not exist", reason="RESOURCE_NOT_FOUND", metadata={"resource": str(name)})


def expect_kubernetes(resource: Resource) -> Cluster:
    """The cluster; raises FailedPrecondition TARGET_UNSUPPORTED where it is no Kubernetes cluster."""
    assert isinstance(resource, Cluster)
    if not isinstance(resource.target, KubernetesTarget):
        raise FailedPrecondition(
            f"{resource.id} is a {resource.target.kind} cluster; only Kubernetes clusters have objects and workloads "
            "that are not ours",
            reason="TARGET_UNSUPPORTED",
            metadata={"cluster": resource.id, "target": resource.target.kind},
        )
    return resource


@dataclass(frozen=True, slots=True)
class RestartWorkloads:
    """Order a restart on the cluster called `name`; without `workloads`, of all that are stale."""

    name: str
    options: Options
    workloads: tuple[str, ...]

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return parse_name(self.name).mesh


async def restart_workloads(services: Services, caller: Caller, command: RestartWorkloads) -> MutationOutcome:
    """Orders the restart, and takes the place of one before it. Raises FailedPrecondition TARGET_UNSUPPORTED and what
    mutate raises."""
    order = RestartOrder(services.ids(), command.workloads)

    def amend(before: Resource) -> Cluster:
        cluster = expect_kubernetes(before)
        return replace(cluster, orders=replace(cluster.orders, restart=order))

    mutation = Mutation(command.name, ChangeType.RESTART, None, command.options, amend)
    return await mutate(services, caller, mutation)
