"""Clusters: registration, labels, and decisions by operators."""

from dataclasses import replace

from egress.v1 import cluster_pb2
from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import (
    Approve,
    accept_store_reset,
    adopting,
    approve_deletion,
    releasing,
)
from egress_server.commands.clusters.clusters import (
    FoundClusters,
    RestartWorkloads,
    Resync,
    get_cluster,
    list_clusters,
    restart_workloads,
    resync,
)
from egress_server.commands.clusters.registration import Deregister, Register, deregister, register
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.commands.read import Get, ListOf
from egress_server.contract.clusters import read_cluster, write_cluster
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster, ClusterTarget, KubernetesTarget, LocalTarget
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import ResourceKind, expect_mesh, expect_name
from egress_server.domain.model.resources import name_of
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.validate import Problems
from egress_server.domain.validate.selectors import check_object, check_workloads
from egress_server.wire.grammar.collection import Collection, read_listing, write_outcome
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import resource_name
from egress_server.wire.grammar.options import (
    cluster_options,
    delete_mutation,
    resource_options,
    update_mutation,
)

_CLUSTERS = Collection(ResourceKind.CLUSTER, write_cluster)


def _decode_register(request: pb.RegisterClusterRequest) -> Register:
    problems = Problems()
    place = problems.at("cluster")
    name = resource_name(
        problems,
        ResourceKind.CLUSTER,
        own=("cluster.name", request.cluster.name),
        parent=request.parent,
        id_field="cluster_id",
        id_=request.cluster_id,
    )
    cluster = read_cluster(request.cluster, str(name), place)
    return Register(cluster, resource_options(request, ChangeType.REGISTER, cluster, problems, place))


def _decode_get(request: pb.GetClusterRequest) -> Get:
    return Get(expect_name("name", request.name, ResourceKind.CLUSTER))


def _encode_get(found: FoundClusters) -> cluster_pb2.Cluster:
    return _write_clusters(found)[0]


def _decode_list(request: pb.ListClustersRequest) -> ListOf:
    mesh = expect_mesh("parent", request.parent)
    return ListOf(mesh, ResourceKind.CLUSTER, None, read_listing(request, ("name", "labels.")))


def _encode_list(found: FoundClusters) -> pb.ListClustersResponse:
    return pb.ListClustersResponse(clusters=_write_clusters(found), next_page_token=found.registered.next_page_token)


def _write_clusters(found: FoundClusters) -> list[cluster_pb2.Cluster]:
    """The clusters with their status."""
    registered, epoch = found.registered.resources, found.registered.epoch
    ids = [name_of(versioned.resource).id for versioned in registered]
    return [
        write_cluster(versioned, epoch, found.statuses.get(id_), found.inventories.get(id_), found.agents[id_])
        for id_, versioned in zip(ids, registered, strict=True)
    ]


def _decode_update(request: pb.UpdateClusterRequest) -> Mutation[Cluster]:
    """Replaces the labels. A target, if there is one, must be that of the cluster."""
    problems = Problems()
    name = str(expect_name("cluster.name", request.cluster.name, ResourceKind.CLUSTER))
    place = problems.at("cluster")
    if request.cluster.WhichOneof("target") is None:
        requested = Cluster(name, LocalTarget(), dict(request.cluster.labels))
        return update_mutation(request, requested, problems, place, lambda before: _relabel(before, requested))
    requested = read_cluster(request.cluster, name, place)
    return update_mutation(request, requested, problems, place, lambda before: _relabel_same(before, requested))


def _relabel(before: Cluster, requested: Cluster) -> Cluster:
    return replace(before, labels=requested.labels)


def _relabel_same(before: Cluster, requested: Cluster) -> Cluster:
    after = _relabel(before, requested)
    sent_kubeconfig = isinstance(requested.target, KubernetesTarget) and requested.target.kubeconfig
    if sent_kubeconfig or _without_credentials(after.target) != requested.target:
        raise invalid("cluster.target", "cannot be changed by an update; omit it, or register the cluster again")
    return after


def _without_credentials(target: ClusterTarget) -> ClusterTarget:
    """The target as callers see it: a kubeconfig is never returned."""
    return replace(target, kubeconfig="") if isinstance(target, KubernetesTarget) else target


def _decode_deregister(request: pb.DeregisterClusterRequest) -> Deregister:
    name = str(expect_name("name", request.name, ResourceKind.CLUSTER))
    return Deregister(delete_mutation(request, name, Problems(), ChangeType.DEREGISTER), request.cleanup)


def _decode_resync(request: pb.ResyncRequest) -> Resync:
    return Resync(expect_name("name", request.name, ResourceKind.CLUSTER))


def _encode_resync(status: ClusterStatus | None) -> pb.ResyncResponse:
    return pb.ResyncResponse(applied_revision=status.applied_revision if status else 0)


def _decode_adopt(request: pb.AdoptObjectRequest) -> Mutation[Cluster]:
    problems = Problems()
    check_object(request.object, problems.at("object"))
    name, options = cluster_options(request, ChangeType.ADOPT, request.object, problems)
    return Mutation(name, ChangeType.ADOPT, None, options, adopting(request.object))


def _decode_release(request: pb.ReleaseObjectRequest) -> Mutation[Cluster]:
    problems = Problems()
    check_object(request.object, problems.at("object"))
    name, options = cluster_options(request, ChangeType.RELEASE, request.object, problems)
    return Mutation(name, ChangeType.RELEASE, None, options, releasing(request.object))


def _decode_approve(request: pb.ApproveDeletionRequest) -> Approve:
    return Approve(*cluster_options(request, ChangeType.APPROVE, request.token, Problems()), request.token)


def _decode_accept(request: pb.AcceptStoreResetRequest) -> Approve:
    return Approve(*cluster_options(request, ChangeType.ACCEPT, request.token, Problems()), request.token)


def _decode_restart(request: pb.RestartWorkloadsRequest) -> RestartWorkloads:
    problems = Problems()
    workloads = tuple(request.workloads)
    check_workloads(workloads, problems.at("workloads"))
    return RestartWorkloads(*cluster_options(request, ChangeType.RESTART, workloads, problems), workloads)


def _encode_restart(outcome: MutationOutcome[Cluster]) -> pb.RestartWorkloadsResponse:
    restart = outcome.versioned.resource.orders.restart
    return pb.RestartWorkloadsResponse(
        cluster=write_cluster(outcome.versioned, outcome.epoch),
        restart_id=restart.id if restart else "",
        **write_outcome(outcome),
    )


HANDLERS: Handlers = {
    "RegisterCluster": handler(_decode_register, register, _CLUSTERS.outcome(pb.RegisterClusterResponse)),
    "GetCluster": handler(_decode_get, get_cluster, _encode_get),
    "ListClusters": handler(_decode_list, list_clusters, _encode_list),
    "UpdateCluster": handler(_decode_update, mutate, _CLUSTERS.outcome(pb.UpdateClusterResponse)),
    "DeregisterCluster": handler(
        _decode_deregister, deregister, _CLUSTERS.outcome(pb.DeregisterClusterResponse), waits=True
    ),
    "Resync": handler(_decode_resync, resync, _encode_resync),
    "AdoptObject": handler(_decode_adopt, mutate, _CLUSTERS.outcome(pb.AdoptObjectResponse)),
    "ReleaseObject": handler(_decode_release, mutate, _CLUSTERS.outcome(pb.ReleaseObjectResponse)),
    "ApproveDeletion": handler(_decode_approve, approve_deletion, _CLUSTERS.outcome(pb.ApproveDeletionResponse)),
    "AcceptStoreReset": handler(_decode_accept, accept_store_reset, _CLUSTERS.outcome(pb.AcceptStoreResetResponse)),
    "RestartWorkloads": handler(_decode_restart, restart_workloads, _encode_restart),
}
