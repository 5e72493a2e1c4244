"""Registers and deregisters clusters. Seals credentials before they are stored, and on request removes managed objects
before a cluster is deregistered."""

from dataclasses import dataclass, replace

from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType, make_etag
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.errors import DeadlineExceeded, FailedPrecondition, invalid
from egress_server.domain.model.limits import MAX_CLEANUP_WAIT
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.status import MASS_DELETION, ClusterStatus, Phase
from egress_server.ports.identity import Sealer
from egress_server.ports.store import Replica


@dataclass(frozen=True, slots=True)
class Register:
    """Register `cluster`, whose kubeconfig is not sealed yet."""

    cluster: Cluster
    options: Options

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return parse_name(self.cluster.name).mesh


async def register(services: Services, caller: Caller, command: Register) -> MutationOutcome[Cluster]:
    """Registers a cluster, or replaces its registration. Raises what mutate raises."""
    cluster = _sealed(command.cluster, services.sealer)

    def amend(before: Cluster) -> Cluster:
        return _registered_again(before, cluster)

    mutation = Mutation(cluster.name, ChangeType.REGISTER, cluster, command.options, amend)
    return await mutate(services, caller, mutation)


def _sealed(cluster: Cluster, sealer: Sealer) -> Cluster:
    target = cluster.target
    if not isinstance(target, KubernetesTarget) or not target.kubeconfig:
        return cluster
    return replace(cluster, target=replace(target, kubeconfig=sealer.seal(target.kubeconfig)))


def _registered_again(before: Cluster, cluster: Cluster) -> Cluster:
    match cluster.target, before.target:
        case KubernetesTarget() as target, KubernetesTarget() as known if not (
            target.kubeconfig or target.secret or target.in_cluster
        ):
            return replace(cluster, target=_with_credentials(target, known), orders=before.orders)
    return replace(cluster, orders=before.orders)


def _with_credentials(target: KubernetesTarget, before: KubernetesTarget) -> KubernetesTarget:
    if before.kubeconfig and target.context not in ("", before.context):
        raise invalid(
            "cluster.kubernetes.context",
            f"only context {before.context} of the stored kubeconfig was kept; send the kubeconfig again",
        )
    return replace(
        target,
        kubeconfig=before.kubeconfig,
        context=target.context or before.context,
        secret=before.secret,
        in_cluster=before.in_cluster,
    )


_CONTINUE = "repeat the request to continue, or register {} again to cancel"
_UNREACHABLE = frozenset({Phase.OFFLINE, Phase.HELD})


@dataclass(frozen=True, slots=True)
class Deregister:
    """Deregister the cluster that `mutation` deletes; with `cleanup`, remove managed objects from it first."""

    mutation: Mutation[Cluster]
    cleanup: bool

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.mutation.mesh


async def deregister(services: Services, caller: Caller, command: Deregister) -> MutationOutcome[Cluster]:
    """Deregisters a cluster. With cleanup and validate_only, the plan shows what would be removed.

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


def _draining(cluster: Cluster) -> Cluster:
    return replace(cluster, draining=True)


def _check_reachable(id_: str, status: ClusterStatus | None) -> None:
    """A deletion that a guard holds back does not matter: a request for cleanup approves all deletions."""
    held_for_cleanup = status and status.problem and status.problem.reason == MASS_DELETION
    if status is not None and (status.phase not in _UNREACHABLE or held_for_cleanup):
        return
    cause = f" ({status.problem.message})" if status and status.problem else ""
    raise FailedPrecondition(
        f"{id_} cannot be changed now{cause}, so managed objects cannot be removed from it; wait, or deregister it "
        "without cleanup",
        reason="CLUSTER_UNREACHABLE",
        metadata={"cluster": id_},
    )


async def _wait_clean(services: Services, replica: Replica, id_: str, revision: int) -> None:
    """Waits until an applier reports that it has applied `revision`, or the cluster is already deregistered."""

    def clean() -> bool:
        status = replica.statuses.get(id_)
        return replica.snapshot.cluster(id_) is None or (status is not None and status.applied_revision >= revision)

    with replica.watch() as wakeups:
        try:
            async with services.patience(MAX_CLEANUP_WAIT):
                while not clean():
                    await anext(wakeups)
        except TimeoutError:
            status = replica.statuses.get(id_)
            cause = f": {status.problem.message}" if status and status.problem else ""
            raise DeadlineExceeded(
                f"cleanup of {id_} is still in progress{cause}; {_CONTINUE.format(id_)}",
                reason="CLEANUP_PENDING",
                metadata={"cluster": id_},
            ) from None
    _check_released(replica, id_)


def _check_released(replica: Replica, id_: str) -> None:
    """Objects that could not be removed must keep the cluster registered: otherwise nothing would ever remove them."""
    status = replica.statuses.get(id_)
    if replica.snapshot.cluster(id_) is None or status is None or not status.obstacles:
        return
    resource, obstacle = next(iter(sorted(status.obstacles.items())))
    more = f" ({len(status.obstacles) - 1} more)" if len(status.obstacles) > 1 else ""
    raise FailedPrecondition(
        f"cleanup of {id_} could not remove {resource}: {obstacle.message}{more}; {_CONTINUE.format(id_)}",
        reason="CLEANUP_REFUSED",
        metadata={"cluster": id_, "resource": resource},
    )
