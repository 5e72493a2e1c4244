"""Clusters with what the appliers and agents know of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from egress_server.commands.read import Found, Get, ListOf, get, list_resources
from egress_server.commands.services import Caller, Services
from egress_server.domain.inventory import Inventory
from egress_server.domain.resources import Cluster
from egress_server.domain.rollout import ClusterStatus


@dataclass(frozen=True, slots=True)
class FoundClusters:
    """Registrations, with status, inventory and number of attached agents by cluster id."""

    found: Found
    statuses: Mapping[str, ClusterStatus]
    inventories: Mapping[str, Inventory]
    agents: Mapping[str, int]


async def get_cluster(services: Services, caller: Caller, query: Get) -> FoundClusters:
    """One cluster; raises NotFound."""
    return _with_status(services, query.mesh, await get(services, caller, query))


async def list_clusters(services: Services, caller: Caller, query: ListOf) -> FoundClusters:
    """One page of clusters."""
    return _with_status(services, query.mesh, await list_resources(services, caller, query))


def _with_status(services: Services, mesh: str, found: Found) -> FoundClusters:
    ids = [v.resource.id for v in found.resources if isinstance(v.resource, Cluster)]
    agents = {id_: len(services.agents.attached(mesh, id_)) for id_ in ids}
    replica = services.replica(mesh)
    return FoundClusters(found, replica.statuses, replica.inventories, agents)
