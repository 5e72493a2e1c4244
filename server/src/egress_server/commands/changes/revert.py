"""Reverts a change: restores its resource to the state before it, as a new change.

Only the last change to a resource can be reverted, because later changes were made on top of it.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from egress_server.commands.mutate import (
    STALE_WAIT,
    Mutation,
    MutationOutcome,
    Options,
    etag_mismatch,
    find_replay,
    mutate,
)
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.effective import expire_time
from egress_server.domain.model.changes import Change, ChangeType, Versioned, make_etag
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import EgressError, FailedPrecondition, NotFound
from egress_server.domain.model.names import ResourceKind, change_name, parse_name
from egress_server.domain.model.resources import Fault, Resource
from egress_server.domain.validate import Problems, check_resource


@dataclass(frozen=True, slots=True)
class RevertChange:
    """Revert the change `revision` of `mesh`."""

    mesh: str
    revision: int
    options: Options

    @property
    def name(self) -> str:
        """The change's name."""
        return change_name(self.mesh, self.revision)


async def revert_change(services: Services, caller: Caller, command: RevertChange) -> MutationOutcome[Any]:
    """Restores the resource, with all checks of a mutation.

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


async def _mutation(services: Services, command: RevertChange) -> Mutation[Resource]:
    """The mutation that reverts the change."""
    replica = services.replica(command.mesh)
    await replica.wait_revision(command.revision, STALE_WAIT)
    change = await _change(services, command)
    epoch, name = replica.snapshot.epoch, change.record.resource
    last = replica.snapshot.get(name) or await services.store.newest(command.mesh, name)
    if last is None:
        raise _gone(command)
    if last.revision != change.revision:
        raise _not_latest(command, name, last.revision)
    target = await _before(services, command, change)
    if isinstance(target, Cluster):
        target = _without_orders(target, change)
    if target is None and last.deleted:
        raise _not_reversible(command, f"{name} did not exist before it either")
    if target is None and parse_name(name).kind is ResourceKind.MESH:
        raise _not_reversible(command, "a mesh cannot be deleted")
    return Mutation(name, ChangeType.REVERT, target, _options(command, last, epoch))


async def _change(services: Services, command: RevertChange) -> Change:
    committed = await services.store.change(command.mesh, command.revision)
    if committed is not None:
        return committed.change
    if 0 < command.revision <= services.replica(command.mesh).snapshot.revision:
        raise _gone(command)
    raise NotFound(f"{command.name} does not exist", reason="CHANGE_NOT_FOUND", metadata={"change": command.name})


async def _before(services: Services, command: RevertChange, change: Change) -> Resource | None:
    """The resource before the change; None if it did not exist."""
    if not change.previous_revision:
        return None
    version = await services.store.version_at(command.mesh, change.record.resource, change.previous_revision)
    if version is None:
        raise _gone(command)
    if version.deleted:
        return None
    resource = version.resource
    if isinstance(resource, Fault):
        return await _remaining_fault(services, command, version, resource)
    return resource


def _without_orders(target: Cluster, undone: Change) -> Cluster:
    """The state without orders that must not be executed again: draining, and a restart that was done before. Reverting
    a restart cancels it."""
    ordered_again = undone.record.type in (ChangeType.RESTART, ChangeType.DEREGISTER)
    restart = None if ordered_again else target.orders.restart
    return replace(target, draining=False, orders=replace(target.orders, restart=restart))


async def _remaining_fault(
    services: Services, command: RevertChange, version: Versioned[Resource], fault: Fault
) -> Fault:
    """The fault with its remaining lifetime: a revert must not extend it."""
    end = expire_time(version)
    assert end is not None
    remaining = (end - await services.store.now()).total_seconds()
    if remaining <= 0:
        raise FailedPrecondition(
            f"{fault.name} as it was before {command.name} expired at {end:%Y-%m-%dT%H:%M:%SZ}; inject it again if "
            "it is still needed",
            reason="FAULT_EXPIRED",
            metadata={"resource": fault.name, "expire_time": end.isoformat()},
        )
    shortened = replace(fault, ttl=math.ceil(remaining * 1000) / 1000)
    problems = Problems()
    check_resource(shortened, problems.at("fault"))
    problems.raise_if_any()
    return shortened


def _options(command: RevertChange, last: Versioned[Resource], epoch: str) -> Options:
    """The options of the caller, with the condition that the resource does not change in the meantime."""
    options = command.options
    current = "" if last.deleted else make_etag(epoch, last.revision)
    if options.etag and options.etag != current:
        raise etag_mismatch(last.resource.name, given=options.etag, current=current)
    reason = f"revert of {command.name}" + (f": {options.reason}" if options.reason else "")
    return replace(options, etag=current, create_only=last.deleted, reason=reason)


def _gone(command: RevertChange) -> FailedPrecondition:
    return FailedPrecondition(
        f"the state before {command.name} is no longer retained; set the resource instead",
        reason="HISTORY_EXPIRED",
        metadata={"change": command.name},
    )


def _not_latest(command: RevertChange, resource: str, later: int) -> FailedPrecondition:
    later_name = change_name(command.mesh, later)
    return FailedPrecondition(
        f"{resource} was changed after {command.name}, last by {later_name}; revert that first, or set the resource",
        reason="NOT_LATEST_CHANGE",
        metadata={"change": command.name, "resource": resource, "last_change": later_name},
    )


def _not_reversible(command: RevertChange, cause: str) -> FailedPrecondition:
    return FailedPrecondition(
        f"{command.name} cannot be reverted: {cause}", reason="NOT_REVERSIBLE", metadata={"change": command.name}
    )
