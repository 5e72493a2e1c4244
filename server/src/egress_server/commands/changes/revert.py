"""Takes a change back: its resource becomes again what it was before, by a change of its own.

Only the last change of a resource can be taken back: what came later was decided knowing it.
"""

import math
from dataclasses import dataclass, replace

from egress_server.commands.mutate import STALE_WAIT, Mutation, MutationOutcome, Options, find_replay, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.effective import expire_time
from egress_server.domain.model.changes import Change, ChangeType, Versioned, make_etag
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import Aborted, EgressError, FailedPrecondition, NotFound
from egress_server.domain.model.names import ResourceKind, change_name, parse_name
from egress_server.domain.model.resources import Fault, Resource
from egress_server.domain.validate import Problems, check_resource


@dataclass(frozen=True, slots=True)
class RevertChange:
    """Take back the change `revision` of `mesh`."""

    mesh: str
    revision: int
    options: Options

    @property
    def name(self) -> str:
        """The change's name."""
        return change_name(self.mesh, self.revision)


async def revert_change(services: Services, caller: Caller, command: RevertChange) -> MutationOutcome:
    """Brings the resource back, with all checks of a mutation.

    Raises NotFound CHANGE_NOT_FOUND; FailedPrecondition HISTORY_EXPIRED, NOT_LATEST_CHANGE, FAULT_EXPIRED or
    NOT_REVERSIBLE; and what mutate raises.
    """
    try:
        mutation = await _mutation(services, command)
    except EgressError:
        replay = await find_replay(services, caller, command.mesh, command.options)
        if replay is None:
            raise
        return replay
    return await mutate(services, caller, mutation)


async def _mutation(services: Services, command: RevertChange) -> Mutation:
    """What undoes the change."""
    replica = services.replica(command.mesh)
    await replica.wait_revision(command.revision, STALE_WAIT)
    change = await _change(services, command)
    epoch, name = replica.snapshot.epoch, change.record.resource
    last = replica.snapshot.get(name) or await services.store.newest(command.mesh, name)
    if last is None:
        raise _gone(command)
    if last.revision != change.revision:
        raise _not_last(command, name, last.revision)
    target = await _before(services, command, change)
    if isinstance(target, Cluster):
        target = _without_orders(target, change)
    if target is None and last.deleted:
        raise _not_reversible(command, f"{name} was gone before it as well")
    if target is None and parse_name(name).kind is ResourceKind.MESH:
        raise _not_reversible(command, "a mesh can't be deleted")
    return Mutation(name, ChangeType.REVERT, target, _options(command, last, epoch))


async def _change(services: Services, command: RevertChange) -> Change:
    committed = await services.store.change(command.mesh, command.revision)
    if committed is not None:
        return committed.change
    if 0 < command.revision <= services.replica(command.mesh).snapshot.revision:
        raise _gone(command)
    raise NotFound(f"{command.name} does not exist", reason="CHANGE_NOT_FOUND", metadata={"change": command.name})


async def _before(services: Services, command: RevertChange, change: Change) -> Resource | None:
    """The resource as it was before the change; None where it was not there."""
    if not change.previous_revision:
        return None
    version = await services.store.version_at(command.mesh, change.record.resource, change.previous_revision)
    if version is None:
        raise _gone(command)
    if version.deleted:
        return None
    resource = version.resource
    if isinstance(resource, Fault):
        return await _rest_of_fault(services, command, version, resource)
    return resource


def _without_orders(target: Cluster, undone: Change) -> Cluster:
    """State comes back, orders don't: neither is the cluster drained for it, nor are workloads restarted that were
    before. Taking back a restart calls it off."""
    ordered_again = undone.record.type in (ChangeType.RESTART, ChangeType.DEREGISTER)
    restart = None if ordered_again else target.orders.restart
    return replace(target, draining=False, orders=replace(target.orders, restart=restart))


async def _rest_of_fault(services: Services, command: RevertChange, version: Versioned, fault: Fault) -> Fault:
    """A fault comes back for what is left of its time: going back in history is no way to prolong it."""
    end = expire_time(version)
    assert end is not None
    left = (end - await services.store.now()).total_seconds()
    if left <= 0:
        raise FailedPrecondition(
            f"the time of {fault.name} as it was before {command.name} was over at {end:%Y-%m-%dT%H:%M:%SZ}; inject it "
            "again if it is still wanted",
            reason="FAULT_EXPIRED",
            metadata={"resource": fault.name, "expire_time": end.isoformat()},
        )
    rest = replace(fault, ttl=math.ceil(left * 1000) / 1000)
    problems = Problems()
    check_resource(rest, problems.at("fault"))
    problems.raise_if_any()
    return rest


def _options(command: RevertChange, last: Versioned, epoch: str) -> Options:
    """The caller's, and that nobody changes the resource meanwhile."""
    options = command.options
    current = "" if last.deleted else make_etag(epoch, last.revision)
    if options.etag and options.etag != current:
        name = last.resource.name
        raise Aborted(
            f"{name} is not as the etag says: {'it does not exist' if last.deleted else 'it has changed'}",
            reason="ETAG_MISMATCH",
            metadata={"resource": name, "etag": options.etag, "current_etag": current},
        )
    reason = f"revert of {command.name}" + (f": {options.reason}" if options.reason else "")
    return replace(options, etag=current, create_only=last.deleted, reason=reason)


def _gone(command: RevertChange) -> FailedPrecondition:
    return FailedPrecondition(
        f"what was before {command.name} is past its retention; set the resource as it should be",
        reason="HISTORY_EXPIRED",
        metadata={"change": command.name},
    )


def _not_last(command: RevertChange, resource: str, later: int) -> FailedPrecondition:
    later_name = change_name(command.mesh, later)
    return FailedPrecondition(
        f"{resource} was changed after {command.name}, last by {later_name}; roll that back first, or set the resource "
        "as it should be",
        reason="NOT_LATEST_CHANGE",
        metadata={"change": command.name, "resource": resource, "last_change": later_name},
    )


def _not_reversible(command: RevertChange, why: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"{command.name} can't be rolled back: {why}", reason="NOT_REVERSIBLE", metadata={"change": command.name}
    )
