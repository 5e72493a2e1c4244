"""What a commit promises: order, history, replay."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.domain.model.errors import Aborted
from egress_server.ports.store import RequestKey
from tests.contract.benches import StoreBench
from tests.support.mutations import deleting, entry, insist, mutation, setting


async def test_the_first_commit_is_revision_1(bench: StoreBench) -> None:
    """A commit returns its revision, that there was no previous one, and the store's time as create and update time."""
    resource = entry(bench.snapshot, "bank")
    outcome = await bench.store.commit(mutation(bench.snapshot, resource, reason="because"))
    assert (outcome.change.revision, outcome.change.previous_revision) == (1, 0)
    assert outcome.change.record.reason == "because"
    assert outcome.versioned.resource == resource
    assert outcome.versioned.create_time == outcome.versioned.update_time == outcome.change.accept_time
    assert outcome.change.accept_time.tzinfo is not None
    assert not outcome.replayed


async def test_what_is_read_back_is_what_was_answered(bench: StoreBench) -> None:
    """The change and the version of a revision, read later, equal the reply of the commit."""
    resource = replace(entry(bench.snapshot, "bank"), export_to=(".",), addresses=("10.0.0.0/8",))
    outcome = await bench.store.commit(mutation(bench.snapshot, resource))
    assert await bench.store.change(bench.mesh, 1) == outcome
    assert await bench.store.version_at(bench.mesh, resource.name, 1) == outcome.versioned
    assert await bench.store.change(bench.mesh, 2) is None
    assert await bench.store.version_at(bench.mesh, resource.name, 2) is None


async def test_an_update_keeps_the_create_time(bench: StoreBench) -> None:
    """A second commit of a resource names the first as previous and keeps the time of creation."""
    first = await insist(bench.store, bench.replica, setting("bank"))
    second = await insist(bench.store, bench.replica, setting("bank", "b.com"))
    assert (second.change.revision, second.change.previous_revision) == (2, 1)
    assert second.versioned.create_time == first.versioned.create_time


async def test_a_deleted_resource_leaves_its_last_state_in_history(bench: StoreBench) -> None:
    """After a delete the resource is gone, its last state readable, and a new one starts over."""
    await insist(bench.store, bench.replica, setting("bank"))
    gone = await insist(bench.store, bench.replica, deleting("bank"))
    assert gone.versioned.deleted
    assert await bench.store.change(bench.mesh, 2) == gone
    assert bench.snapshot.get(gone.versioned.resource.name) is None
    anew = await insist(bench.store, bench.replica, setting("bank"))
    assert anew.change.previous_revision == 2
    assert anew.versioned.create_time == anew.change.accept_time


async def test_revisions_have_no_gaps(bench: StoreBench) -> None:
    """Of many concurrent commits each gets its own revision, and none is skipped."""

    async def one(number: int) -> int:
        outcome = await insist(bench.store, bench.replica, setting(f"e{number}"))
        return outcome.change.revision

    revisions = await asyncio.gather(*(one(number) for number in range(100)))
    assert sorted(revisions) == list(range(1, 101))
    changes = await bench.store.changes(bench.mesh, before=None, after=None, count=1000, newest_first=False)
    assert [change.revision for change in changes] == list(range(1, 101))


async def test_changes_come_in_pages(bench: StoreBench) -> None:
    """Changes are read between two revisions, both excluded, forward and backward."""
    for number in range(5):
        await insist(bench.store, bench.replica, setting(f"e{number}"))

    async def page(before: int | None, after: int | None, newest_first: bool) -> list[int]:
        changes = await bench.store.changes(bench.mesh, before=before, after=after, count=2, newest_first=newest_first)
        return [change.revision for change in changes]

    assert await page(None, None, newest_first=False) == [1, 2]
    assert await page(None, 2, newest_first=False) == [3, 4]
    assert await page(5, 3, newest_first=False) == [4]
    assert await page(None, None, newest_first=True) == [5, 4]
    assert await page(4, None, newest_first=True) == [3, 2]
    assert await page(2, 1, newest_first=True) == []
    assert await page(1, None, newest_first=True) == []


async def test_history_is_capped(bench: StoreBench) -> None:
    """Versions past the limit are gone; the change stays and returns the newest version instead."""
    for _ in range(5):
        await insist(bench.store, bench.replica, setting("bank"))
    name = entry(bench.snapshot, "bank").name
    kept = [await bench.store.version_at(bench.mesh, name, revision) for revision in range(1, 6)]
    assert [version.revision if version else None for version in kept] == [None, None, 3, 4, 5]
    first = await bench.store.change(bench.mesh, 1)
    assert first is not None
    assert (first.change.revision, first.versioned.revision) == (1, 5)


async def test_the_same_request_is_one_change(bench: StoreBench) -> None:
    """A repeated request gets the first reply, although its own commit has made it stale."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    first = await bench.store.commit(commit)
    again = await bench.store.commit(commit)
    assert again == replace(first, replayed=True)
    assert await bench.store.find_replay(bench.mesh, commit.request) == again
    assert await bench.store.change(bench.mesh, 2) is None


async def test_the_same_request_a_hundred_times_at_once_is_one_change(bench: StoreBench) -> None:
    """However many copies of a request race, one commits and all get its reply."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    outcomes = await asyncio.gather(*(bench.store.commit(commit) for _ in range(100)))
    assert {outcome.change.revision for outcome in outcomes} == {1}
    assert sum(not outcome.replayed for outcome in outcomes) == 1


async def test_a_replay_survives_its_version(bench: StoreBench) -> None:
    """A request whose version is past the limit is still answered: its change, with the newest version."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"))
    bench.replica.committed(await bench.store.commit(commit))
    for _ in range(4):
        await insist(bench.store, bench.replica, setting("bank"))
    again = await bench.store.commit(commit)
    assert (again.change.revision, again.versioned.revision, again.replayed) == (1, 5, True)


async def test_a_request_id_belongs_to_one_body(bench: StoreBench) -> None:
    """The same ID with another fingerprint is refused, in commit and in lookup."""
    resource = entry(bench.snapshot, "bank")
    await bench.store.commit(mutation(bench.snapshot, resource, request_id="r"))
    other = mutation(bench.snapshot, resource, request_id="r", fingerprint="e" * 64)
    with pytest.raises(Aborted) as refused:
        await bench.store.commit(other)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(Aborted):
        await bench.store.find_replay(bench.mesh, other.request)


async def test_a_request_id_belongs_to_one_caller_and_method(bench: StoreBench) -> None:
    """Another principal or method may use the same ID."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"), request_id="r")
    await bench.store.commit(commit)
    for other in (
        replace(commit.request, principal="local:somebody"),
        replace(commit.request, method="DeleteServiceEntry"),
        RequestKey("local:tester\0UpsertServiceEntry", "", "r", commit.request.fingerprint),
    ):
        assert await bench.store.find_replay(bench.mesh, other) is None


async def test_request_ids_are_forgotten(bench: StoreBench) -> None:
    """A request ID is kept for the configured time, an hour, and then free."""
    commit = mutation(bench.snapshot, entry(bench.snapshot, "bank"), request_id="r")
    await bench.store.commit(commit)
    await bench.advance(3590)
    assert (await bench.store.commit(commit)).replayed
    await bench.advance(20)
    assert await bench.store.find_replay(bench.mesh, commit.request) is None
    other = mutation(bench.snapshot, entry(bench.snapshot, "shop"), request_id="r", fingerprint="e" * 64)
    assert (await bench.store.commit(other)).change.revision == 2


async def test_meshes_do_not_see_each_other(bench: StoreBench) -> None:
    """A commit in one mesh does not affect another mesh's revisions."""
    await insist(bench.store, bench.replica, setting("bank"))
    assert await bench.store.change("another", 1) is None
