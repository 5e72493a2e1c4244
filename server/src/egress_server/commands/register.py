"""Registers a cluster, or replaces its registration: the one place where credentials come in, and they are sealed here.

A registration says how a cluster is reached and driven. What was decided about it since then, such as what may be
adopted there, is no part of that and stays; so do the credentials where the new registration has none.
"""

from dataclasses import replace

from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.errors import invalid
from egress_server.domain.resources import Cluster, KubernetesTarget, Resource
from egress_server.ports.secrets import Sealer


async def register(services: Services, caller: Caller, mutation: Mutation) -> Outcome:
    """Registers the cluster that `mutation` sets, whose kubeconfig is still plain; raises what mutate raises."""
    assert isinstance(mutation.resource, Cluster)
    asked = _sealed(mutation.resource, services.sealer)
    return await mutate(
        services, caller, replace(mutation, resource=asked, amend=lambda before: _registered_again(before, asked))
    )


def _sealed(cluster: Cluster, sealer: Sealer) -> Cluster:
    target = cluster.kubernetes
    if target is None or not target.kubeconfig:
        return cluster
    return replace(cluster, kubernetes=replace(target, kubeconfig=sealer.seal(target.kubeconfig)))


def _registered_again(before: Resource, asked: Cluster) -> Cluster:
    assert isinstance(before, Cluster)
    target = asked.kubernetes
    if target and before.kubernetes and not (target.kubeconfig or target.secret or target.in_cluster):
        target = _with_credentials(target, before.kubernetes)
    return replace(
        asked,
        kubernetes=target,
        adopted=before.adopted,
        approved=before.approved,
        accepted=before.accepted,
        restart=before.restart,
    )


def _with_credentials(target: KubernetesTarget, before: KubernetesTarget) -> KubernetesTarget:
    if before.kubeconfig and target.context not in ("", before.context):
        raise invalid(
            "cluster.kubernetes.context",
            f"of the kubeconfig that is kept only the context {before.context} is there; send the kubeconfig again",
        )
    return replace(
        target,
        kubeconfig=before.kubeconfig,
        context=target.context or before.context,
        secret=before.secret,
        in_cluster=before.in_cluster,
    )
