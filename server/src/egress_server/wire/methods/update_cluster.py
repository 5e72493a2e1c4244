"""UpdateCluster: labels only; the target stays."""

from dataclasses import replace

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.contract.clusters import read_cluster, write_cluster
from egress_server.domain.model.clusters import Cluster, ClusterTarget, KubernetesTarget, LocalTarget
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import update_mutation
from egress_server.wire.grammar.outcome import write_outcome


def decode(request: pb.UpdateClusterRequest) -> Mutation:
    """The cluster with the labels it is to have."""
    problems = Problems()
    name = str(expect_name("cluster.name", request.cluster.name, ResourceKind.CLUSTER))
    place = problems.at("cluster")
    if request.cluster.WhichOneof("target") is None:
        asked = Cluster(name, LocalTarget(), dict(request.cluster.labels))
        return update_mutation(request, asked, problems, place, lambda before: _relabel(before, asked))
    asked = read_cluster(request.cluster, name, place)
    return update_mutation(request, asked, problems, place, lambda before: _relabel_same(before, asked))


def _relabel(before: Resource, asked: Cluster) -> Cluster:
    assert isinstance(before, Cluster)
    return replace(before, labels=asked.labels)


def _relabel_same(before: Resource, asked: Cluster) -> Cluster:
    after = _relabel(before, asked)
    sent_kubeconfig = isinstance(asked.target, KubernetesTarget) and asked.target.kubeconfig
    if sent_kubeconfig or _without_credentials(after.target) != asked.target:
        raise invalid("cluster.target", "differs from the cluster's; leave it out, or register the cluster again")
    return after


def _without_credentials(target: ClusterTarget) -> ClusterTarget:
    """The target as callers see it: a kubeconfig is never returned."""
    return replace(target, kubeconfig="") if isinstance(target, KubernetesTarget) else target


def encode(outcome: MutationOutcome) -> pb.UpdateClusterResponse:
    """The cluster and its change."""
    return pb.UpdateClusterResponse(cluster=write_cluster(outcome.versioned, outcome.epoch), **write_outcome(outcome))


METHOD = Method(
    "/egress.v1.FleetService/UpdateCluster",
    pb.UpdateClusterRequest,
    pb.UpdateClusterResponse,
    "egress.clusters.update",
    decode,
    mutate,
    encode,
    mutates=True,
)
