"""Cluster to the domain and back."""

from collections.abc import Iterable

from egress.v1 import cluster_pb2 as pb
from egress_server.commands.clusters import FoundClusters
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.inventory import Inventory
from egress_server.domain.render.objects import ROOT_NAMESPACE
from egress_server.domain.resources import Cluster, KubernetesTarget, MeshPolicyBackend, TargetKind, name_of
from egress_server.domain.rollout import ClusterStatus
from egress_server.domain.validate import Problems
from egress_server.formats.kubeconfig import KubeconfigError
from egress_server.formats.kubeconfig_text import cut_kubeconfig
from egress_server.wire.convert.cluster_status import write_status
from egress_server.wire.convert.common import EnumField, write_time

_MESH_POLICY = EnumField(pb.Cluster.KubernetesTarget.MeshPolicy, MeshPolicyBackend, MeshPolicyBackend.BOTH)


def read_cluster(message: pb.Cluster, name: str, problems: Problems) -> Cluster:
    """The registration as it came; it must name a target. A kubeconfig is still plain, and cut to what is needed."""
    labels = dict(message.labels)
    match message.WhichOneof("target"):
        case "local":
            return Cluster(name, TargetKind.LOCAL, labels, service_cidrs=_lower(message.local.service_cidrs))
        case "directory":
            directory = message.directory
            return Cluster(name, TargetKind.DIRECTORY, labels, directory.path, _lower(directory.service_cidrs))
        case "kubernetes":
            target = _read_kubernetes(message.kubernetes, problems.at("kubernetes"))
            cidrs = _lower(message.kubernetes.service_cidrs)
            return Cluster(name, TargetKind.KUBERNETES, labels, service_cidrs=cidrs, kubernetes=target)
    problems.at("target").add("must be set; this version knows: local, directory, kubernetes")
    return Cluster(name, TargetKind.LOCAL, labels)


def _read_kubernetes(message: pb.Cluster.KubernetesTarget, problems: Problems) -> KubernetesTarget:
    kubeconfig, context = "", message.context
    if message.kubeconfig:
        try:
            kept = cut_kubeconfig(message.kubeconfig, context)
        except KubeconfigError as error:
            problems.at("kubeconfig").add(str(error))
        else:
            kubeconfig, context = kept.text, kept.context
    return KubernetesTarget(
        kubeconfig=kubeconfig,
        context=context,
        secret=message.secret,
        in_cluster=message.in_cluster,
        istio_revision=message.istio_revision,
        root_namespace=message.root_namespace or ROOT_NAMESPACE,
        mesh_policy=_MESH_POLICY.read(message.mesh_policy, problems.at("mesh_policy")),
    )


def _lower(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def write_cluster(
    versioned: Versioned,
    epoch: str,
    status: ClusterStatus | None = None,
    inventory: Inventory | None = None,
    agents: int = 0,
) -> pb.Cluster:
    """The registration as of a revision, with what is known of the cluster now."""
    cluster = versioned.resource
    assert isinstance(cluster, Cluster)
    return pb.Cluster(
        name=cluster.name,
        labels=cluster.labels,
        local=_write_local(cluster),
        directory=_write_directory(cluster),
        kubernetes=_write_kubernetes(cluster),
        adopted=cluster.adopted,
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
        status=write_status(status, inventory, agents),
    )


def _write_local(cluster: Cluster) -> pb.Cluster.LocalTarget | None:
    if cluster.target is not TargetKind.LOCAL:
        return None
    return pb.Cluster.LocalTarget(service_cidrs=cluster.service_cidrs)


def _write_directory(cluster: Cluster) -> pb.Cluster.DirectoryTarget | None:
    if cluster.target is not TargetKind.DIRECTORY:
        return None
    return pb.Cluster.DirectoryTarget(path=cluster.path, service_cidrs=cluster.service_cidrs)


def _write_kubernetes(cluster: Cluster) -> pb.Cluster.KubernetesTarget | None:
    """All but the kubeconfig, which is never shown, sealed or not."""
    target = cluster.kubernetes
    if target is None:
        return None
    return pb.Cluster.KubernetesTarget(
        context=target.context,
        secret=target.secret,
        in_cluster=target.in_cluster,
        istio_revision=target.istio_revision,
        root_namespace=target.root_namespace,
        mesh_policy=_MESH_POLICY.write(target.mesh_policy),
        service_cidrs=cluster.service_cidrs,
    )


def write_clusters(found: FoundClusters) -> list[pb.Cluster]:
    """Registrations with their status."""
    ids = [name_of(versioned.resource).id for versioned in found.found.resources]
    return [
        write_cluster(
            versioned, found.found.epoch, found.statuses.get(id_), found.inventories.get(id_), found.agents[id_]
        )
        for id_, versioned in zip(ids, found.found.resources, strict=True)
    ]
