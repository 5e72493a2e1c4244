"""Deregistering a cluster: immediately, or after managed objects are removed from it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from egress_server.commands.clusters.registration import Deregister, deregister
from egress_server.commands.mutate import Mutation, Options, mutate
from egress_server.domain.diff.plan import Action
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster, LocalTarget
from egress_server.domain.model.errors import Aborted, DeadlineExceeded, FailedPrecondition, NotFound
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from tests.support.meshes import cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.commands.fakes import CALLER, World, setting

EAST = cluster("east")
SETTLED = ClusterStatus("east", Phase.SETTLED, applied_revision=3)


def forgetting(*, cleanup: bool, **options: Any) -> Deregister:
    """Deregisters the cluster east."""
    mutation: Mutation[Cluster] = Mutation(
        EAST.name, ChangeType.DEREGISTER, None, Options(**{"fingerprint": "f", **options})
    )
    return Deregister(mutation, cleanup)


def world(status: ClusterStatus | None = SETTLED) -> World:
    """A mesh with a cluster, at revision 3, and an entry on it."""
    made = World.of(EAST, entry("bank"))
    if status:
        made.replica.report(status)
    return made


async def drained(made: World) -> int:
    """The revision from which the cluster must be empty."""
    while True:
        found = made.replica.snapshot.cluster("east")
        if found is not None and found.draining:
            return made.replica.snapshot.revision
        await asyncio.sleep(0)


async def test_without_cleanup_it_is_one_change() -> None:
    """What is on the cluster stays, whether it is reachable or not."""
    made = world(None)
    outcome = await deregister(made.services, CALLER, forgetting(cleanup=False))
    assert outcome.change is not None
    assert outcome.change.record.type is ChangeType.DEREGISTER
    assert made.replica.snapshot.cluster("east") is None


async def test_with_cleanup_it_waits_for_the_cluster() -> None:
    """First the cluster is emptied, then it is forgotten."""
    made = world()
    call = asyncio.create_task(deregister(made.services, CALLER, forgetting(cleanup=True, request_id="r")))
    revision = await drained(made)
    made.replica.report(replace(SETTLED, applied_revision=revision - 1))
    await asyncio.sleep(0)
    assert not call.done()
    made.replica.report(replace(SETTLED, applied_revision=revision))
    outcome = await call
    assert outcome.change is not None
    assert [c.change.record.type for c in made.store.history[-2:]] == [ChangeType.SET, ChangeType.DEREGISTER]
    assert made.replica.snapshot.cluster("east") is None


async def test_the_same_request_goes_on_where_it_was_left() -> None:
    """Interrupted while waiting, or with the last reply lost: no change is made twice."""
    made = world()
    command = forgetting(cleanup=True, request_id="r")
    first = asyncio.create_task(deregister(made.services, CALLER, command))
    revision = await drained(made)
    first.cancel()
    made.replica.report(replace(SETTLED, applied_revision=revision))
    outcome = await deregister(made.services, CALLER, command)
    again = await deregister(made.services, CALLER, command)
    assert outcome.change is not None
    assert again.change == outcome.change
    assert outcome.change.revision == revision + 1


@pytest.mark.parametrize(
    "status",
    [
        None,
        replace(SETTLED, phase=Phase.OFFLINE, problem=Problem("UNREACHABLE", "no route")),
        replace(SETTLED, phase=Phase.HELD),
    ],
)
async def test_what_is_not_reached_is_not_cleaned(status: ClusterStatus | None) -> None:
    """Nothing is changed then."""
    made = world(status)
    with pytest.raises(FailedPrecondition) as refusal:
        await deregister(made.services, CALLER, forgetting(cleanup=True))
    assert refusal.value.reason == "CLUSTER_UNREACHABLE"
    assert made.store.commits == []


async def test_a_deletion_that_is_held_back_does_not_keep_from_cleaning() -> None:
    """A request for cleanup approves all of it."""
    made = world(replace(SETTLED, phase=Phase.HELD, problem=Problem("MASS_DELETION", "6 of 6")))
    call = asyncio.create_task(deregister(made.services, CALLER, forgetting(cleanup=True)))
    made.replica.report(replace(SETTLED, applied_revision=await drained(made)))
    await call
    assert made.replica.snapshot.cluster("east") is None


async def test_an_unregistered_cluster() -> None:
    """Not found, with cleanup as without."""
    made = World.of()
    for cleanup in (False, True):
        with pytest.raises(NotFound):
            await deregister(made.services, CALLER, forgetting(cleanup=cleanup))


async def test_registering_calls_it_off() -> None:
    """The cluster stays, and the caller gets an error."""
    made = world()
    call = asyncio.create_task(deregister(made.services, CALLER, forgetting(cleanup=True)))
    await drained(made)
    outcome = await mutate(made.services, CALLER, setting(EAST))
    made.replica.report(replace(SETTLED, applied_revision=outcome.versioned.revision))
    with pytest.raises(Aborted):
        await call
    assert made.replica.snapshot.cluster("east") == EAST


@virtual_time
async def test_a_cluster_that_does_not_get_clean() -> None:
    """The caller gets the cause, and can repeat the request."""
    made = world(replace(SETTLED, phase=Phase.FAILED, problem=Problem("REFUSED", "no space left")))
    with pytest.raises(DeadlineExceeded, match="no space left") as refusal:
        await deregister(made.services, CALLER, forgetting(cleanup=True))
    assert refusal.value.reason == "CLEANUP_PENDING"


async def test_what_cannot_be_removed_keeps_the_cluster() -> None:
    """The caller gets the object and the cause, and can repeat the request to continue."""
    made = world(replace(SETTLED, obstacles={"earlier": Problem("REFUSED", "of another revision")}))
    command = forgetting(cleanup=True, request_id="r")
    call = asyncio.create_task(deregister(made.services, CALLER, command))
    revision = await drained(made)
    await asyncio.sleep(0)
    assert not call.done()
    refused = {name: Problem("REFUSED", f"a webhook rejected {name}") for name in ("b", "a")}
    made.replica.report(replace(SETTLED, applied_revision=revision, obstacles=refused))
    with pytest.raises(FailedPrecondition, match=r"could not remove a: a webhook rejected a \(1 more\)") as refusal:
        await call
    assert refusal.value.reason == "CLEANUP_REFUSED"
    assert made.replica.snapshot.cluster("east") is not None
    made.replica.report(replace(SETTLED, applied_revision=revision))
    await deregister(made.services, CALLER, command)
    assert made.replica.snapshot.cluster("east") is None


async def test_a_stop_ends_the_wait() -> None:
    """A server that stops does not wait for the cluster; the same request continues at another one."""
    made = world()
    call = asyncio.create_task(deregister(made.services, CALLER, forgetting(cleanup=True)))
    await drained(made)
    made.services.end_streams()
    with pytest.raises(DeadlineExceeded) as refusal:
        await call
    assert refusal.value.reason == "CLEANUP_PENDING"


@pytest.mark.parametrize(("cleanup", "actions"), [(False, []), (True, [Action.DELETE])])
async def test_a_plan_says_what_goes_away(cleanup: bool, actions: list[Action]) -> None:
    """Without cleanup nothing would be removed. Nothing is written either way."""
    made = world()
    outcome = await deregister(made.services, CALLER, forgetting(cleanup=cleanup, validate_only=True))
    assert outcome.plan is not None
    assert [change.action for group in outcome.plan.groups for change in group.changes] == actions
    assert made.store.commits == []


async def test_an_update_keeps_what_a_rival_just_wrote() -> None:
    """It is based on the newest state again, so labels and ranges set at the same moment are both there."""
    made = world()
    made.store.rivals.append(lambda: made.store.put(replace(EAST, target=LocalTarget(("10.0.0.0/8",)))))

    def relabel(before: Resource) -> Resource:
        assert isinstance(before, Cluster)
        return replace(before, labels={"env": "prod"})

    update = Mutation(EAST.name, ChangeType.SET, None, Options(fingerprint="f"), amend=relabel)
    outcome = await mutate(made.services, CALLER, update)
    assert outcome.versioned.resource == replace(EAST, labels={"env": "prod"}, target=LocalTarget(("10.0.0.0/8",)))


async def test_an_update_needs_something_to_update() -> None:
    """Nothing is created along the way."""
    made = World.of()
    with pytest.raises(NotFound):
        await mutate(made.services, CALLER, Mutation(EAST.name, ChangeType.SET, None, Options(), amend=lambda _: EAST))
