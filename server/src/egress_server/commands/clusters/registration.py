"""Registers and deregisters clusters: seals credentials on the way in, and forgets a cluster only once it is clean."""

from dataclasses import dataclass, replace

from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType, make_etag
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.errors import DeadlineExceeded, FailedPrecondition, invalid
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import MASS_DELETION, ClusterStatus, Phase
from egress_server.ports.identity import Sealer
from egress_server.ports.store import Replica


async def register(services: Services, caller: Caller, mutation: Mutation) -> MutationOutcome:
    """Registers the cluster that `mutation` sets, whose kubeconfig is still plain; raises what mutate raises."""
    assert isinstance(mutation.resource, Cluster)
    asked = _sealed(mutation.resource, services.sealer)
    return await mutate(
        services, caller, replace(mutation, resource=asked, amend=lambda before: _registered_again(before, asked))
    )


def _sealed(cluster: Cluster, sealer: Sealer) -> Cluster:
    target = cluster.target
    if not isinstance(target, KubernetesTarget) or not target.kubeconfig:
        return cluster
    return replace(cluster, target=replace(target, kubeconfig=sealer.seal(target.kubeconfig)))


def _registered_again(before: Resource, asked: Cluster) -> Cluster:
    assert isinstance(before, Cluster)
    match asked.target, before.target:
        case KubernetesTarget() as target, KubernetesTarget() as known if not (
            target.kubeconfig or target.secret or target.in_cluster
        ):
            return replace(asked, target=_with_credentials(target, known), orders=before.orders)
    return replace(asked, orders=before.orders)


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


PATIENCE = 60.0  # seconds for the appliers to clean; the call's own deadline may be shorter
_GO_ON = "send the same request again to go on, or register {} to call it off"
_UNREACHABLE = frozenset({Phase.OFFLINE, Phase.HELD})


@dataclass(frozen=True, slots=True)
class Deregister:
    """Forget the cluster that `mutation` deletes; with `cleanup` remove first what is ours."""

    mutation: Mutation
    cleanup: bool

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.mutation.mesh


async def deregister(services: Services, caller: Caller, command: Deregister) -> MutationOutcome:
    """Deregisters; with cleanup and validate_only the plan shows what would be removed.

    Raises what mutate raises; with cleanup also FailedPrecondition CLUSTER_UNREACHABLE and CLEANUP_REFUSED, and
    DeadlineExceeded CLEANUP_PENDING.
    """
    mutation = command.mutation
    if not command.cleanup:
        return await mutate(services, caller, mutation)
    replica = services.replica(command.mesh)
    id_ = parse_name(mutation.name).id
    if replica.snapshot.cluster(id_) is not None:
        _check_reachable(id_, replica.statuses.get(id_))
    drain = replace(mutation, type=ChangeType.SET, amend=_draining)
    drained = await mutate(services, replace(caller, method=f"{caller.method}/drain"), drain)
    if drained.change is None:
        return drained
    await _wait_clean(services, replica, id_, drained.change.revision)
    etag = make_etag(drained.epoch, drained.change.revision)
    return await mutate(services, caller, replace(mutation, options=replace(mutation.options, etag=etag)))


def _draining(cluster: Resource) -> Resource:
    assert isinstance(cluster, Cluster)
    return replace(cluster, draining=True)


def _check_reachable(id_: str, status: ClusterStatus | None) -> None:
    """A deletion that a guard holds back is no obstacle: who asks for cleanup says yes to all of it."""
    held_for_cleanup = status and status.problem and status.problem.reason == MASS_DELETION
    if status is not None and (status.phase not in _UNREACHABLE or held_for_cleanup):
        return
    why = f" ({status.problem.message})" if status and status.problem else ""
    raise FailedPrecondition(
        f"{id_} can't be changed now{why}, so what is ours can't be removed from it; wait, or deregister it without "
        "cleanup",
        reason="CLUSTER_UNREACHABLE",
        metadata={"cluster": id_},
    )


async def _wait_clean(services: Services, replica: Replica, id_: str, revision: int) -> None:
    """Until an applier reports that the cluster is as `revision` says, or the cluster is forgotten already."""

    def clean() -> bool:
        status = replica.statuses.get(id_)
        return replica.snapshot.cluster(id_) is None or (status is not None and status.applied_revision >= revision)

    with replica.watch() as wakeups:
        try:
            async with services.patience(PATIENCE):
                while not clean():
                    await anext(wakeups)
        except TimeoutError:
            status = replica.statuses.get(id_)
            why = f": {status.problem.message}" if status and status.problem else ""
            raise DeadlineExceeded(
                f"{id_} is not clean yet{why}; {_GO_ON.format(id_)}",
                reason="CLEANUP_PENDING",
                metadata={"cluster": id_},
            ) from None
    _check_released(replica, id_)


def _check_released(replica: Replica, id_: str) -> None:
    """What the cluster did not let go of must not be forgotten: nobody would take it away any more."""
    status = replica.statuses.get(id_)
    if replica.snapshot.cluster(id_) is None or status is None or not status.obstacles:
        return
    resource, obstacle = next(iter(sorted(status.obstacles.items())))
    more = f" ({len(status.obstacles) - 1} more)" if len(status.obstacles) > 1 else ""
    raise FailedPrecondition(
        f"{id_} did not let go of {resource}: {obstacle.message}{more}; {_GO_ON.format(id_)}",
        reason="CLEANUP_REFUSED",
        metadata={"cluster": id_, "resource": resource},
    )
