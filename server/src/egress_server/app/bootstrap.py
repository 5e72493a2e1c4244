"""What exists from the start: the mesh, and the clusters named on the command line. Each is created by a change."""

from collections.abc import Sequence

from egress_server.commands.mutate import Mutation, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster, LocalTarget, Mesh
from egress_server.domain.model.resources import Resource
from egress_server.ports.identity import Principal

_CALLER = Caller(Principal("system:egressd"), "egressd.start")


def local_clusters(mesh: str, ids: Sequence[str]) -> list[Cluster]:
    """The registrations of local clusters."""
    return [Cluster(f"meshes/{mesh}/clusters/{id_}", LocalTarget()) for id_ in ids]


async def bootstrap(services: Services, mesh: str, clusters: Sequence[Cluster] = ()) -> None:
    """Creates what does not exist yet; existing resources are left alone."""
    wanted: list[tuple[ChangeType, Resource]] = [(ChangeType.CREATE, Mesh(f"meshes/{mesh}"))]
    wanted += [(ChangeType.REGISTER, cluster) for cluster in clusters]
    for type_, resource in wanted:
        if services.replica(mesh).snapshot.get(resource.name) is None:
            options = Options(create_only=True, reason="start of egressd")
            await mutate(services, _CALLER, Mutation(resource.name, type_, resource, options))
