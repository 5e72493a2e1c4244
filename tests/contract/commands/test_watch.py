"""Watching a mesh on a real store: nothing missed, nothing twice, and what can't be gone on from is said."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from egress_server.agents.sessions.sessions import Sessions
from egress_server.commands.change_broadcaster import ChangeBroadcaster
from egress_server.commands.changes.watch import Cursor, WatchChanges, WatchEvent, parse_cursor, watch_changes
from egress_server.commands.services import Services
from egress_server.domain.model.changes import Change, ChangeType
from egress_server.domain.model.errors import InvalidArgument, OutOfRange, Unavailable
from egress_server.domain.model.resources import Cluster, TargetKind
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.store.redis.checks import ensure_epoch
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from tests.contract.commands.conftest import CALLER, House
from tests.support.sealing import OpenSealer

SECONDS = 10.0
Stream = AsyncGenerator[WatchEvent, None]


@asynccontextmanager
async def watching(
    house: House, cursor: Cursor | None = None, *, rollouts: bool = False, services: Services | None = None
) -> AsyncIterator[tuple[Cursor, Stream]]:
    """A watch, and the cursor it began with."""
    query = WatchChanges(house.mesh, cursor, rollouts)
    stream = watch_changes(services or house.services, CALLER, query)
    try:
        first = await anext(stream)
        assert first.change is None
        assert first.rollout is None
        yield first.cursor, stream
    finally:
        await stream.aclose()


async def take(stream: Stream, count: int) -> list[WatchEvent]:
    """The next events."""
    async with asyncio.timeout(SECONDS):
        return [await anext(stream) for _ in range(count)]


def revisions(events: list[WatchEvent]) -> list[int]:
    """Of the changes in events."""
    return [event.change.revision for event in events if event.change]


async def changes(house: House, count: int) -> list[int]:
    """Makes some changes; their revisions."""
    modes = ("ALLOW_ANY", "REGISTRY_ONLY")
    return [(await house.set(house.policy(modes[number % 2]))).revision for number in range(count)]


async def another_process(house: House) -> Services:
    """The services of a process that starts now; its replica ends with the bench's connections."""
    replica = RedisReplica(await house.bench.connect(), house.mesh)
    await replica.start()
    return Services(
        house.bench.store, {house.mesh: replica}, Sessions(version="1"), uuid_ids, system_clock, OpenSealer()
    )


async def test_from_now_on(house: House) -> None:
    """Without a cursor a watch begins with what comes next."""
    await changes(house, 3)
    async with watching(house) as (_, stream):
        made = await changes(house, 3)
        assert revisions(await take(stream, 3)) == made


async def test_from_a_cursor_in_another_process(house: House) -> None:
    """From any cursor on all changes come once and in order, in whatever process; its own event does not come again."""
    async with watching(house) as (start, stream):
        made = await changes(house, 5)
        middle = (await take(stream, 3))[-1].cursor
    services = await another_process(house)
    for cursor, rest in ((start, made), (middle, made[3:])):
        async with watching(house, cursor, services=services) as (_, stream):
            assert revisions(await take(stream, len(rest))) == rest
    assert parse_cursor(str(middle)) == middle


class Counting(RedisStore):
    """Counts how often changes are read."""

    reads = 0

    async def changes(self, *args: Any, **kwargs: Any) -> Sequence[Change]:
        """As ever."""
        self.reads += 1
        return await super().changes(*args, **kwargs)


def tuned(house: House, **knobs: Any) -> None:
    """Sets the feed's knobs."""
    house.services.feeds[house.mesh] = ChangeBroadcaster(house.bench.store, house.bench.replica, house.mesh, **knobs)


async def test_many_watchers_share_one_reader(house: House) -> None:
    """Fifty watchers cost the store no more reads than one; a slow one gets everything and holds nobody up."""
    store = Counting(house.bench.connection)
    house.services.feeds[house.mesh] = ChangeBroadcaster(store, house.bench.replica, house.mesh)
    query = WatchChanges(house.mesh, None, include_rollouts=False)
    streams = [watch_changes(house.services, CALLER, query) for _ in range(50)]
    for stream in streams:
        await anext(stream)
    made = await changes(house, 20)
    for stream in streams[1:]:
        assert revisions(await take(stream, 20)) == made
    assert store.reads <= 20
    assert revisions(await take(streams[0], 20)) == made
    for stream in streams:
        await stream.aclose()


async def test_behind_what_is_kept(house: House) -> None:
    """A watcher slower than the memory reads on from the store and misses nothing."""
    tuned(house, kept=3)
    async with watching(house) as (_, slow), watching(house) as (_, fast):
        made = await changes(house, 30)
        assert revisions(await take(fast, 30)) == made
        more = await changes(house, 3)
        assert revisions(await take(slow, 33)) == made + more


async def test_expired(house: House) -> None:
    """A cursor of another store, of the future, or older than what is kept is told so."""
    async with watching(house) as (cursor, _):
        pass
    await changes(house, 5)
    keys, connection = house.bench.keys, house.bench.connection
    await connection.call("XTRIM", keys.audit, "MAXLEN", 2)
    for expired in (replace(cursor, epoch="other"), cursor):
        with pytest.raises(OutOfRange) as refused:
            async with watching(house, expired):
                pass
        assert refused.value.reason == "CURSOR_EXPIRED"
    async with watching(house, replace(cursor, revision=house.bench.snapshot.revision - 2)) as (_, stream):
        assert len(revisions(await take(stream, 2))) == 2


async def test_from_the_future(house: House) -> None:
    """A cursor that the store can't have given is told so, once it is clear that the store does not catch up."""
    tuned(house, patience=0.05)
    cursor = Cursor(house.bench.snapshot.epoch[:8], 99, 0)
    with pytest.raises(OutOfRange):
        async with watching(house, cursor):
            pass


async def test_trimmed_while_watching(house: House) -> None:
    """A watcher so slow that the next change is past its retention is told so instead of skipping it."""
    tuned(house, kept=2)
    async with watching(house) as (_, slow), watching(house) as (_, fast):
        made = await changes(house, 20)
        assert revisions(await take(fast, 20)) == made
        await house.bench.connection.call("XTRIM", house.bench.keys.audit, "MAXLEN", 2)
        with pytest.raises(OutOfRange) as refused:
            await take(slow, 20)
        assert refused.value.reason == "CURSOR_EXPIRED"


async def test_another_store(house: House) -> None:
    """A store that is replaced under a watcher ends the watch: its history is another one."""
    async with watching(house) as (_, stream):
        await house.bench.connection.call("DEL", house.bench.keys.meta)
        await ensure_epoch(house.bench.connection, house.mesh)
        with pytest.raises(OutOfRange) as refused:
            await take(stream, 1)
        assert refused.value.reason == "CURSOR_EXPIRED"


@pytest.mark.parametrize("text", ["x", "", "YTpiOmM", "YToxOjEyMzQ1Njc4OTAxMjM0NTY3ODkw", "ä", "YToxOjE=="])
def test_malformed(text: str) -> None:
    """What is no cursor is refused, naming the field."""
    with pytest.raises(InvalidArgument) as refused:
        parse_cursor(text)
    assert refused.value.violations[0].field == "cursor"


async def put(house: House, *statuses: ClusterStatus) -> None:
    """An applier's records."""
    await house.bench.store.put_status(house.mesh, statuses)


async def test_rollouts(house: House) -> None:
    """Clusters are told when their record says something new, not when it was only written again."""
    for id_ in ("east", "west"):
        await house.set(Cluster(f"meshes/{house.mesh}/clusters/{id_}", TargetKind.LOCAL), ChangeType.REGISTER)
    async with watching(house, rollouts=True) as (start, stream):
        east = ClusterStatus("east", Phase.SETTLED, applied_revision=3)
        await put(house, east, ClusterStatus("gone", Phase.SETTLED, applied_revision=3))
        (event,) = await take(stream, 1)
        assert event.rollout is not None
        assert (event.rollout.cluster.id, event.rollout.state.value) == ("east", "APPLIED")
        await put(house, replace(east, last_seen_time=system_clock(), fence=2))
        await put(house, ClusterStatus("west", Phase.OFFLINE, problem=Problem("UNREACHABLE", "no route")))
        (event,) = await take(stream, 1)
        assert event.rollout is not None
        assert (event.rollout.cluster.id, event.rollout.state.value) == ("west", "OFFLINE")
    async with watching(house, event.cursor, rollouts=True) as (_, stream):
        made = await changes(house, 1)
        assert revisions(await take(stream, 1)) == made
    services = await another_process(house)
    async with watching(house, start, rollouts=True, services=services) as (_, stream):
        seen = await take(stream, 3)
        assert {event.rollout.cluster.id for event in seen if event.rollout} == {"east", "west"}
        assert [event.cursor.status_number for event in seen] == [start.status_number, start.status_number, 3]


async def test_drain(house: House) -> None:
    """Streams end when the process stops, and none begins after."""
    async with watching(house) as (_, stream):
        house.services.end_streams()
        assert [event async for event in stream] == []
    with pytest.raises(Unavailable) as refused:
        async with watching(house):
            pass
    assert refused.value.reason == "SERVER_STOPPING"


async def test_keep_alive(house: House) -> None:
    """When nothing happens for a while an empty event says that the stream lives."""
    tuned(house, keep_alive=0.05)
    async with watching(house) as (cursor, stream):
        assert await take(stream, 2) == [WatchEvent(cursor)] * 2
