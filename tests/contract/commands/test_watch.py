"""Watching a mesh on a real store: nothing is missed or sent twice, and an expired cursor is an error."""

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
from egress_server.domain.model.clusters import Cluster, LocalTarget
from egress_server.domain.model.errors import InvalidArgument, OutOfRange, Unavailable
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.store.redis.checks import ensure_epoch
from egress_server.store.redis_store import RedisStore
from egress_server.store.replica import RedisReplica
from tests.contract.commands.conftest import CALLER, CommandBench
from tests.support.sealing import OpenSealer

SECONDS = 10.0
Stream = AsyncGenerator[WatchEvent, None]


@asynccontextmanager
async def watching(
    commands: CommandBench, cursor: Cursor | None = None, *, rollouts: bool = False, services: Services | None = None
) -> AsyncIterator[tuple[Cursor, Stream]]:
    """A watch, and the cursor it started with."""
    query = WatchChanges(commands.mesh, cursor, rollouts)
    stream = watch_changes(services or commands.services, CALLER, query)
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
    """The changes in these events."""
    return [event.change.revision for event in events if event.change]


async def changes(commands: CommandBench, count: int) -> list[int]:
    """Makes some changes; their revisions."""
    modes = ("ALLOW_ANY", "REGISTRY_ONLY")
    return [(await commands.set(commands.policy(modes[number % 2]))).revision for number in range(count)]


async def another_process(commands: CommandBench) -> Services:
    """The services of a process that starts now; its replica is closed with the bench's connections."""
    replica = RedisReplica(await commands.bench.connect(), commands.mesh)
    await replica.start()
    return Services(
        commands.bench.store, {commands.mesh: replica}, Sessions(version="1"), uuid_ids, system_clock, OpenSealer()
    )


async def test_from_now_on(commands: CommandBench) -> None:
    """Without a cursor a watch starts with the next change."""
    await changes(commands, 3)
    async with watching(commands) as (_, stream):
        made = await changes(commands, 3)
        assert revisions(await take(stream, 3)) == made


async def test_from_a_cursor_in_another_process(commands: CommandBench) -> None:
    """From any cursor on, all changes come once and in order, in any process; the event of the cursor does not come
    again."""
    async with watching(commands) as (start, stream):
        made = await changes(commands, 5)
        middle = (await take(stream, 3))[-1].cursor
    services = await another_process(commands)
    for cursor, rest in ((start, made), (middle, made[3:])):
        async with watching(commands, cursor, services=services) as (_, stream):
            assert revisions(await take(stream, len(rest))) == rest
    assert parse_cursor(str(middle)) == middle


class Counting(RedisStore):
    """Counts how often changes are read."""

    reads = 0

    async def changes(self, *args: Any, **kwargs: Any) -> Sequence[Change]:
        """As the store does."""
        self.reads += 1
        return await super().changes(*args, **kwargs)


def tuned(commands: CommandBench, **knobs: Any) -> None:
    """Sets the limits of the broadcaster."""
    commands.services.feeds[commands.mesh] = ChangeBroadcaster(
        commands.bench.store, commands.bench.replica, commands.mesh, **knobs
    )


async def test_many_watchers_share_one_reader(commands: CommandBench) -> None:
    """Fifty watchers cost the store no more reads than one; a slow one gets everything and does not delay the
    others."""
    store = Counting(commands.bench.connection)
    commands.services.feeds[commands.mesh] = ChangeBroadcaster(store, commands.bench.replica, commands.mesh)
    query = WatchChanges(commands.mesh, None, include_rollouts=False)
    streams = [watch_changes(commands.services, CALLER, query) for _ in range(50)]
    for stream in streams:
        await anext(stream)
    made = await changes(commands, 20)
    for stream in streams[1:]:
        assert revisions(await take(stream, 20)) == made
    assert store.reads <= 20
    assert revisions(await take(streams[0], 20)) == made
    for stream in streams:
        await stream.aclose()


async def test_behind_what_is_kept(commands: CommandBench) -> None:
    """A watcher that falls behind the buffer continues from the store and misses nothing."""
    tuned(commands, kept=3)
    async with watching(commands) as (_, slow), watching(commands) as (_, fast):
        made = await changes(commands, 30)
        assert revisions(await take(fast, 30)) == made
        more = await changes(commands, 3)
        assert revisions(await take(slow, 33)) == made + more


async def test_expired(commands: CommandBench) -> None:
    """A cursor of another store, of a future revision, or older than what is retained is an error."""
    async with watching(commands) as (cursor, _):
        pass
    await changes(commands, 5)
    keys, connection = commands.bench.keys, commands.bench.connection
    await connection.call("XTRIM", keys.audit, "MAXLEN", 2)
    for expired in (replace(cursor, epoch="other"), cursor):
        with pytest.raises(OutOfRange) as refused:
            async with watching(commands, expired):
                pass
        assert refused.value.reason == "CURSOR_EXPIRED"
    async with watching(commands, replace(cursor, revision=commands.bench.snapshot.revision - 2)) as (_, stream):
        assert len(revisions(await take(stream, 2))) == 2


async def test_from_the_future(commands: CommandBench) -> None:
    """A cursor that the store can't have issued is an error once it is clear that the store won't catch up."""
    tuned(commands, patience=0.05)
    cursor = Cursor(commands.bench.snapshot.epoch[:8], 99, 0)
    with pytest.raises(OutOfRange):
        async with watching(commands, cursor):
            pass


async def test_trimmed_while_watching(commands: CommandBench) -> None:
    """A watcher so slow that the next change is no longer retained gets an error instead of skipping it."""
    tuned(commands, kept=2)
    async with watching(commands) as (_, slow), watching(commands) as (_, fast):
        made = await changes(commands, 20)
        assert revisions(await take(fast, 20)) == made
        await commands.bench.connection.call("XTRIM", commands.bench.keys.audit, "MAXLEN", 2)
        with pytest.raises(OutOfRange) as refused:
            await take(slow, 20)
        assert refused.value.reason == "CURSOR_EXPIRED"


async def test_another_store(commands: CommandBench) -> None:
    """A store that is replaced during a watch ends it: its history is a different one."""
    async with watching(commands) as (_, stream):
        await commands.bench.connection.call("DEL", commands.bench.keys.meta)
        await ensure_epoch(commands.bench.connection, commands.mesh)
        with pytest.raises(OutOfRange) as refused:
            await take(stream, 1)
        assert refused.value.reason == "CURSOR_EXPIRED"


@pytest.mark.parametrize("text", ["x", "", "YTpiOmM", "YToxOjEyMzQ1Njc4OTAxMjM0NTY3ODkw", "ä", "YToxOjE=="])
def test_malformed(text: str) -> None:
    """What is not a cursor is rejected, naming the field."""
    with pytest.raises(InvalidArgument) as refused:
        parse_cursor(text)
    assert refused.value.violations[0].field == "cursor"


async def put(commands: CommandBench, *statuses: ClusterStatus) -> None:
    """Status records of an applier."""
    await commands.bench.store.put_status(commands.mesh, statuses)


async def test_rollouts(commands: CommandBench) -> None:
    """Rollouts are sent when a cluster's status has changed, not when it was only rewritten."""
    for id_ in ("east", "west"):
        await commands.set(Cluster(f"meshes/{commands.mesh}/clusters/{id_}", LocalTarget()), ChangeType.REGISTER)
    async with watching(commands, rollouts=True) as (start, stream):
        east = ClusterStatus("east", Phase.SETTLED, applied_revision=3)
        await put(commands, east, ClusterStatus("gone", Phase.SETTLED, applied_revision=3))
        (event,) = await take(stream, 1)
        assert event.rollout is not None
        assert (event.rollout.cluster.id, event.rollout.state.value) == ("east", "APPLIED")
        await put(commands, replace(east, last_seen_time=system_clock(), fence=2))
        await put(commands, ClusterStatus("west", Phase.OFFLINE, problem=Problem("UNREACHABLE", "no route")))
        (event,) = await take(stream, 1)
        assert event.rollout is not None
        assert (event.rollout.cluster.id, event.rollout.state.value) == ("west", "OFFLINE")
    async with watching(commands, event.cursor, rollouts=True) as (_, stream):
        made = await changes(commands, 1)
        assert revisions(await take(stream, 1)) == made
    services = await another_process(commands)
    async with watching(commands, start, rollouts=True, services=services) as (_, stream):
        seen = await take(stream, 3)
        assert {event.rollout.cluster.id for event in seen if event.rollout} == {"east", "west"}
        assert [event.cursor.status_number for event in seen] == [start.status_number, start.status_number, 3]


async def test_drain(commands: CommandBench) -> None:
    """Streams end when the process stops, and no new ones start."""
    async with watching(commands) as (_, stream):
        commands.services.end_streams()
        assert [event async for event in stream] == []
    with pytest.raises(Unavailable) as refused:
        async with watching(commands):
            pass
    assert refused.value.reason == "SERVER_STOPPING"


async def test_keep_alive(commands: CommandBench) -> None:
    """If nothing happens for a while, an empty event shows that the stream is alive."""
    tuned(commands, keep_alive=0.05)
    async with watching(commands) as (cursor, stream):
        assert await take(stream, 2) == [WatchEvent(cursor)] * 2
