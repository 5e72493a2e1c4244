"""Plans to messages; the diff is of the YAML that people know the objects by."""

import difflib

from egress.v1 import common_pb2 as pb
from egress_server.domain.plan import Group, ObjectChange, Plan
from egress_server.domain.render.objects import IstioObject
from egress_server.formats.strict_yaml import dump

MAX_SAMPLE = 10


def write_plan(plan: Plan) -> pb.Plan:
    """A plan."""
    return pb.Plan(lint_revision=plan.revision, groups=[_write_group(group) for group in plan.groups])


def _write_group(group: Group) -> pb.PlanGroup:
    return pb.PlanGroup(
        clusters=group.clusters[:MAX_SAMPLE],
        cluster_count=len(group.clusters),
        objects=[_write_change(change) for change in group.changes],
    )


def _write_change(change: ObjectChange) -> pb.PlannedObject:
    return pb.PlannedObject(
        action=pb.PlannedObject.Action.Value(change.action.value),
        kind=change.key.kind,
        namespace=change.key.namespace,
        name=change.key.name,
        diff="".join(difflib.unified_diff(_lines(change.before), _lines(change.after), "before", "after")),
    )


def _lines(obj: IstioObject | None) -> list[str]:
    return dump(obj).splitlines(keepends=True) if obj else []
