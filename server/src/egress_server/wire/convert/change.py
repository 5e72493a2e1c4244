"""Changes and rollouts to messages."""

from collections.abc import Sequence

from egress.v1 import change_pb2 as pb
from egress_server.domain.changes import Change, ChangeType, Durability
from egress_server.domain.rollout import ClusterStatus, Phase, Problem, Rollout, RolloutState, summary
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.common import EnumField, write_time

_TYPE = EnumField(pb.Change.Type, ChangeType)
_DURABILITY = EnumField(pb.Change.Durability, Durability)
_STATE = EnumField(pb.ClusterRollout.State, RolloutState)


def write_change(change: Change, rollouts: Sequence[Rollout] = ()) -> pb.Change:
    """A change, with the summary of its rollouts where they are given."""
    record = change.record
    return pb.Change(
        name=change.name,
        revision=change.revision,
        type=_TYPE.write(record.type),
        resource=record.resource,
        previous_revision=change.previous_revision,
        actor=record.actor,
        reason=record.reason,
        request_id=record.request_id,
        accept_time=write_time(change.accept_time),
        durability=_DURABILITY.write(record.durability),
        trace_id=record.trace_id,
        findings=[encode_finding(finding) for finding in record.findings],
        summary=summary(rollouts),
    )


def write_rollout(rollout: Rollout) -> pb.ClusterRollout:
    """What became of a change on one cluster."""
    status = rollout.status or ClusterStatus(rollout.cluster.id, Phase.SETTLED)
    return pb.ClusterRollout(
        cluster=rollout.cluster.name,
        state=_STATE.write(rollout.state),
        applied_revision=status.applied_revision,
        apply_time=write_time(status.apply_time),
        verify_time=write_time(status.verify_time),
        error=_write_problem(rollout.problem),
        last_seen_time=write_time(status.last_seen_time),
        stale_workloads=status.stale_workloads,
    )


def _write_problem(problem: Problem | None) -> pb.ClusterRollout.Error | None:
    if problem is None:
        return None
    return pb.ClusterRollout.Error(
        reason=problem.reason, message=problem.message, retry_time=write_time(problem.retry_time)
    )
