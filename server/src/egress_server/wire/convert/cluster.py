"""Cluster to the domain and back."""

from collections.abc import Iterable

from egress.v1 import cluster_pb2 as pb
from egress_server.commands.clusters import FoundClusters
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import Cluster, TargetKind, name_of
from egress_server.domain.rollout import ClusterStatus, Phase
from egress_server.domain.validate import Problems
from egress_server.wire.convert.common import write_time

_STATES = {
    Phase.APPLYING: pb.Cluster.Status.ONLINE,
    Phase.SETTLED: pb.Cluster.Status.ONLINE,
    Phase.FAILED: pb.Cluster.Status.ONLINE,
    Phase.OFFLINE: pb.Cluster.Status.OFFLINE,
    Phase.HELD: pb.Cluster.Status.HELD,
}


def read_cluster(message: pb.Cluster, name: str, problems: Problems) -> Cluster:
    """The registration as it came; it must name a target."""
    labels = dict(message.labels)
    match message.WhichOneof("target"):
        case "local":
            return Cluster(name, TargetKind.LOCAL, labels, service_cidrs=_lower(message.local.service_cidrs))
        case "directory":
            directory = message.directory
            return Cluster(name, TargetKind.DIRECTORY, labels, directory.path, _lower(directory.service_cidrs))
    problems.at("target").add("must be set; this version knows: local, directory")
    return Cluster(name, TargetKind.LOCAL, labels)


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def write_cluster(versioned: Versioned, epoch: str, status: ClusterStatus | None = None, agents: int = 0) -> pb.Cluster:
    """The registration as of a revision, with what is known of the cluster now."""
    cluster = versioned.resource
    assert isinstance(cluster, Cluster)
    return pb.Cluster(
        name=cluster.name,
        labels=cluster.labels,
        local=_write_local(cluster),
        directory=_write_directory(cluster),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
        status=_write_status(status, agents),
    )


def _write_local(cluster: Cluster) -> pb.Cluster.LocalTarget | None:
    if cluster.target is not TargetKind.LOCAL:
        return None
    return pb.Cluster.LocalTarget(service_cidrs=cluster.service_cidrs)


def _write_directory(cluster: Cluster) -> pb.Cluster.DirectoryTarget | None:
    if cluster.target is not TargetKind.DIRECTORY:
        return None
    return pb.Cluster.DirectoryTarget(path=cluster.path, service_cidrs=cluster.service_cidrs)


def _write_status(status: ClusterStatus | None, agents: int) -> pb.Cluster.Status:
    if status is None:
        return pb.Cluster.Status(agents=agents)
    return pb.Cluster.Status(
        state=_STATES[status.phase],
        reason=status.problem.reason if status.problem else "",
        message=status.problem.message if status.problem else "",
        applied_revision=status.applied_revision,
        verified_revision=status.verified_revision,
        last_seen_time=write_time(status.last_seen_time),
        agents=agents,
    )


def write_clusters(found: FoundClusters) -> list[pb.Cluster]:
    """Registrations with their status."""
    ids = [name_of(versioned.resource).id for versioned in found.found.resources]
    return [
        write_cluster(versioned, found.found.epoch, found.statuses.get(id_), found.agents[id_])
        for id_, versioned in zip(ids, found.found.resources, strict=True)
    ]
