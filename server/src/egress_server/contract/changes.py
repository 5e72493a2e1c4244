"""Converts changes, rollouts and plans to messages."""

import difflib
from collections.abc import Sequence

from egress.v1 import change_pb2, common_pb2
from egress_server.contract.common import EnumField, write_finding, write_time
from egress_server.domain.diff.plan import Group, ObjectChange, Plan
from egress_server.domain.model.changes import Change, ChangeType, Durability
from egress_server.domain.model.limits import MAX_PLAN_SAMPLE
from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.rollout import Rollout, RolloutState, summarize_rollouts
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.formats.strict_yaml import dump

_TYPE = EnumField(change_pb2.Change.Type, ChangeType)
_DURABILITY = EnumField(change_pb2.Change.Durability, Durability)
_STATE = EnumField(change_pb2.ClusterRollout.State, RolloutState)


def write_change(change: Change, rollouts: Sequence[Rollout] = ()) -> change_pb2.Change:
    """A change, with a summary of its rollouts if they are given."""
    record = change.record
    return change_pb2.Change(
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
        findings=[write_finding(finding) for finding in record.findings],
        summary=summarize_rollouts(rollouts),
    )


def write_rollout(rollout: Rollout) -> change_pb2.ClusterRollout:
    """The state of a change on one cluster."""
    status = rollout.status or ClusterStatus(rollout.cluster.id, Phase.SETTLED)
    return change_pb2.ClusterRollout(
        cluster=rollout.cluster.name,
        state=_STATE.write(rollout.state),
        applied_revision=status.applied_revision,
        apply_time=write_time(status.apply_time),
        verify_time=write_time(status.verify_time),
        error=_write_problem(rollout.problem),
        last_seen_time=write_time(status.last_seen_time),
        stale_workloads=status.stale_workloads,
    )


def _write_problem(problem: Problem | None) -> change_pb2.ClusterRollout.Error | None:
    if problem is None:
        return None
    return change_pb2.ClusterRollout.Error(
        reason=problem.reason, message=problem.message, retry_time=write_time(problem.retry_time)
    )


def write_plan(plan: Plan) -> common_pb2.Plan:
    """A plan."""
    return common_pb2.Plan(revision=plan.revision, groups=[_write_group(group) for group in plan.groups])


def _write_group(group: Group) -> common_pb2.PlanGroup:
    return common_pb2.PlanGroup(
        clusters=group.clusters[:MAX_PLAN_SAMPLE],
        cluster_count=len(group.clusters),
        objects=[_write_change(change) for change in group.changes],
    )


def _write_change(change: ObjectChange) -> common_pb2.PlannedObject:
    return common_pb2.PlannedObject(
        action=common_pb2.PlannedObject.Action.Value(change.action.value),
        kind=change.key.kind,
        namespace=change.key.namespace,
        name=change.key.name,
        diff="".join(difflib.unified_diff(_lines(change.before), _lines(change.after), "before", "after")),
    )


def _lines(obj: IstioObject | None) -> list[str]:
    return dump(obj).splitlines(keepends=True) if obj else []
