"""Watching changes: no event is missed or repeated, whatever happens to the connection."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import egress
from egress import AsyncEgressClient, Change, ClusterRollout, EgressClient, WatchChangesResponse
from egress.v1.change_service_pb2 import WatchChangesRequest
from tests.unit.sdk.fake_server import FakeServer, fake_server
from tests.unit.sdk.statuses import UNAVAILABLE, status

EXPIRED = status(11, "CURSOR_EXPIRED", "the cursor is too old")
ALIVE = WatchChangesResponse(cursor="0")


def event(number: int) -> WatchChangesResponse:
    """The event of change `number`."""
    return WatchChangesResponse(cursor=str(number), change=Change(revision=number))


def cursors(server: FakeServer) -> list[str]:
    """The cursor at which each stream was opened."""
    requests = server.sent("WatchChanges")
    return [request.cursor for request in requests if isinstance(request, WatchChangesRequest)]


def test_events_come_one_by_one(server: FakeServer) -> None:
    """Changes and rollouts are events; keep-alives are not, but they advance the cursor."""
    rollout = WatchChangesResponse(cursor="2", rollout=ClusterRollout(state=ClusterRollout.APPLIED))
    server.stream("WatchChanges", [ALIVE, event(1), ALIVE, rollout])
    with EgressClient(server.target) as client, client.watch_changes("0", include_rollouts=True) as watch:
        assert next(watch) == event(1)
        assert watch.cursor == "1"
        assert next(watch) == rollout
    assert server.sent("WatchChanges") == [
        WatchChangesRequest(parent="meshes/default", cursor="0", include_rollouts=True)
    ]


def test_a_watch_resumes(server: FakeServer) -> None:
    """A stream that breaks or ends is reopened after the last event or keep-alive received."""
    server.stream("WatchChanges", [ALIVE, UNAVAILABLE], [event(1), event(2)], [event(3), UNAVAILABLE], [event(4)])
    with EgressClient(server.target) as client, client.watch_changes() as watch:
        assert [next(watch).change.revision for _ in range(4)] == [1, 2, 3, 4]
    assert cursors(server) == ["", "0", "2", "3"]


def test_a_block_begins_with_the_watch(server: FakeServer) -> None:
    """In the block the watch is already established, and no event is lost."""
    server.stream("WatchChanges", [event(1), event(2)])
    with EgressClient(server.target) as client, client.watch_changes() as watch:
        assert cursors(server) == [""]
        assert watch.cursor == ""
        assert [next(watch), next(watch)] == [event(1), event(2)]


async def test_a_watch_resumes_async(server: FakeServer) -> None:
    """The watch of the async client resumes in the same way."""
    server.stream("WatchChanges", [ALIVE, UNAVAILABLE], [event(1), event(2)], [event(3)])
    seen = []
    async with AsyncEgressClient(server.target) as client, client.watch_changes() as watch:
        async for one in watch:
            seen.append(one.change.revision)
            if len(seen) == 3:
                break
    assert seen == [1, 2, 3]
    assert cursors(server) == ["", "0", "2"]


def test_a_watch_outlives_the_server(tmp_path: Path) -> None:
    """The watch continues after a restart of the server."""
    address = f"unix:{tmp_path}/s"
    with EgressClient(address) as client, ThreadPoolExecutor() as pool:
        watch = client.watch_changes()
        with fake_server(address) as server:
            server.stream("WatchChanges", [event(1)])
            assert next(watch) == event(1)
            later = pool.submit(next, watch)
        with fake_server(address) as server:
            server.stream("WatchChanges", [event(2)])
            assert later.result() == event(2)
            assert cursors(server) == ["1"]
        watch.close()


def test_an_old_cursor(server: FakeServer) -> None:
    """A cursor that is no longer retained raises CursorExpired, at the first call and when resuming."""
    server.stream("WatchChanges", [EXPIRED], [event(1)], [EXPIRED])
    with EgressClient(server.target) as client:
        with pytest.raises(egress.CursorExpired) as caught:
            next(client.watch_changes("old"))
        assert isinstance(caught.value, egress.OutOfRange)
        watch = client.watch_changes()
        assert next(watch) == event(1)
        with pytest.raises(egress.CursorExpired):
            next(watch)


async def test_an_old_cursor_async(server: FakeServer) -> None:
    """The async client raises the same error."""
    server.stream("WatchChanges", [EXPIRED])
    async with AsyncEgressClient(server.target) as client:
        with pytest.raises(egress.CursorExpired):
            await anext(client.watch_changes("old"))


def test_a_server_that_was_never_there(tmp_path: Path) -> None:
    """A watch that was never established fails like any call."""
    with EgressClient(f"unix:{tmp_path}/none") as client, pytest.raises(egress.Unavailable):
        next(client.watch_changes())


def test_closing_from_another_thread(server: FakeServer) -> None:
    """A watch that waits for an event ends when it is closed."""
    server.stream("WatchChanges")
    with EgressClient(server.target) as client, ThreadPoolExecutor() as pool:
        watch = client.watch_changes()
        reading = pool.submit(list, watch)
        server.arrived.acquire()
        watch.close()
        assert reading.result() == []


async def test_closing_from_another_task(server: FakeServer) -> None:
    """The watch of the async client ends when it is closed; a cancelled task stays cancelled."""
    async with AsyncEgressClient(server.target) as client:
        watch = client.watch_changes()

        async def read() -> list[WatchChangesResponse]:
            return [one async for one in watch]

        reading = asyncio.create_task(read())
        await asyncio.to_thread(server.arrived.acquire)
        await watch.close()
        assert await reading == []

        waiting = asyncio.create_task(anext(client.watch_changes()))
        await asyncio.to_thread(server.arrived.acquire)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
