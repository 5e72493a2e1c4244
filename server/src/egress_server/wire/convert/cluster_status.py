"""What the appliers know of a cluster, as its status."""

from egress.v1 import cluster_pb2 as pb
from egress_server.domain.inventory import Inventory
from egress_server.domain.rollout import ClusterStatus, Phase, RestartProgress, RestartState
from egress_server.wire.convert.common import EnumField, write_time

_STATES = {
    Phase.APPLYING: pb.Cluster.Status.ONLINE,
    Phase.SETTLED: pb.Cluster.Status.ONLINE,
    Phase.FAILED: pb.Cluster.Status.ONLINE,
    Phase.OFFLINE: pb.Cluster.Status.OFFLINE,
    Phase.HELD: pb.Cluster.Status.HELD,
}
_RESTART = EnumField(pb.Cluster.Restart.State, RestartState)


def write_status(status: ClusterStatus | None, inventory: Inventory | None, agents: int) -> pb.Cluster.Status:
    """The status, of the applier's record, what it saw there, and the number of attached agents."""
    message = pb.Cluster.Status(agents=agents)
    if status is not None:
        _write_record(status, message)
    if inventory is not None:
        _write_seen(inventory, message)
    return message


def _write_record(status: ClusterStatus, message: pb.Cluster.Status) -> None:
    message.MergeFrom(
        pb.Cluster.Status(
            state=_STATES[status.phase],
            reason=status.problem.reason if status.problem else "",
            message=status.problem.message if status.problem else "",
            applied_revision=status.applied_revision,
            verified_revision=status.verified_revision,
            last_seen_time=write_time(status.last_seen_time),
            stale_workloads=status.stale_workloads,
            drifted_objects=sum(drift.heal_time is None for drift in status.drift),
            approval_token=status.problem.token if status.problem and status.phase is Phase.HELD else "",
            restart=_write_restart(status.restart),
        )
    )


def _write_seen(inventory: Inventory, message: pb.Cluster.Status) -> None:
    capabilities = inventory.capabilities
    message.MergeFrom(
        pb.Cluster.Status(
            kubernetes_version=capabilities.kubernetes_version,
            istio_version=capabilities.istio_version,
            ambient=capabilities.ambient,
            mutating_admission_policy=capabilities.mutating_admission_policy,
            service_cidrs=inventory.service_cidrs,
            escapes=len(inventory.escapes) + inventory.left_out.get("escapes", 0),
            observe_time=write_time(inventory.observe_time),
        )
    )


def _write_restart(progress: RestartProgress | None) -> pb.Cluster.Restart | None:
    if progress is None:
        return None
    return pb.Cluster.Restart(
        id=progress.id,
        state=_RESTART.write(progress.state),
        done=progress.done,
        failed=progress.failed,
        message=progress.message,
    )
