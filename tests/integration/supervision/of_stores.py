"""Tasks around the store, most of them over a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from egress_server.aio.supervisor import in_background
from egress_server.aio.tasks import Task
from egress_server.commands.change_broadcaster import ChangeBroadcaster
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.store.keys import Retention
from egress_server.store.known_clusters import KnownClusters
from egress_server.store.open import OpenStore, open_store
from egress_server.store.redis.address import Address
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.replica import RedisReplica
from egress_server.store.upkeep import Upkeep
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job, failing, failing_property
from tests.support.doubles.memory_store import MemoryReplica, MemoryStore
from tests.support.meshes import cluster, entry
from tests.support.mutations import insist, setting
from tests.support.redis import SERVERS, running, server_binary, short_dir
from tests.support.waiting import until
from tests.unit.commands.fakes import FakeReplica, FakeStore

P = TypeVar("P", bound=asyncio.BaseProtocol)


@asynccontextmanager
async def a_store() -> AsyncIterator[tuple[OpenStore, str]]:
    """A real one, and its URL."""
    with short_dir() as folder, running(server_binary(SERVERS[0]), folder) as url:
        async with open_store(url, "default") as opened:
            yield opened, url


@dataclass(frozen=True, slots=True)
class BrokenAddress(Address):
    """A store that can't always be reached."""

    fault: Fault | None = None

    async def open(self, factory: Callable[[], P]) -> P:
        """See Address."""
        assert self.fault is not None
        self.fault.strike()
        return await Address.open(self, factory)


@SCENARIOS.add(Task.STORE_CONNECTION, virtual=False)
async def store_connection(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """A lost connection is restored, whatever error connecting meets."""
    async with a_store() as (opened, url):
        connection = RedisConnection(BrokenAddress(path=url.removeprefix("unix://"), fault=fault))
        await connection.start()
        id_ = await connection.call("CLIENT", "ID")

        async def works() -> None:
            assert await connection.call("PING") == b"PONG"
            assert await connection.call("CLIENT", "ID") != id_

        async def provoke() -> None:
            await opened.connection.call("CLIENT", "KILL", "ID", id_)

        async def rest() -> None:
            await opened.store.now()

        yield Job(works, provoke, rest)
        await connection.close()


class BrokenConnection(RedisConnection):
    """A connection on which some commands fail."""

    def __init__(self, address: Address, fault: Fault, command: str) -> None:
        super().__init__(address)
        self._fault = fault
        self._command = command

    async def call(self, *args: bytes | str | int) -> Any:
        """See RedisConnection."""
        if args[0] == self._command:
            self._fault.strike()
        return await super().call(*args)


@SCENARIOS.add(Task.STORE_REPLICA, virtual=False)
async def store_replica(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Commits go on, and the replica catches up."""
    async with a_store() as (opened, url):
        connection = BrokenConnection(Address.parse(url), fault, "XREAD")
        await connection.start()
        replica = RedisReplica(connection, "default")
        await replica.start()

        async def commit() -> None:
            await insist(opened.store, opened.replica, setting("bank"))

        async def works() -> None:
            done = await insist(opened.store, opened.replica, setting("shop"))
            assert await replica.wait_revision(done.change.revision, 20)

        yield Job(works, commit, commit)
        await replica.close()
        await connection.close()


class IdleRedis:
    """The replies of a store that needs no upkeep."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    async def call(self, *args: bytes | str | int) -> Any:
        """The reply to one command."""
        self._fault.strike()
        return {"TIME": (b"1", b"0"), "HLEN": 0, "HMGET": [None] * 4}.get(str(args[0]), [])


@SCENARIOS.add(Task.STORE_UPKEEP)
async def store_upkeep(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """It is done in the next round."""
    connection: Any = IdleRedis(fault)
    upkeep = Upkeep(connection, "default", Retention())
    upkeep.start()
    yield Job(fault.next_pass)
    await upkeep.close()


@SCENARIOS.add(Task.CHANGE_BROADCASTER)
async def change_broadcaster(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Watchers get what happened meanwhile."""
    store = FakeStore()
    replica = FakeReplica(store)
    feed = ChangeBroadcaster(failing(store, "changes", fault.strike), replica, "default")

    def happen() -> int:
        revision = store.put(entry(f"e{store.snapshot.revision}")).change.revision
        replica.catch_up()
        return revision

    async with feed.join() as news:
        await asyncio.sleep(0.1)

        async def works() -> None:
            last = happen()
            await until(lambda: feed._newest == last)
            assert news.is_set()
            assert [change.revision for change in await feed.changes(last - 1)] == [last]

        async def provoke() -> None:
            news.clear()
            happen()

        async def rest() -> None:
            replica.report(ClusterStatus("east", Phase.SETTLED))

        yield Job(works, provoke, rest)


@SCENARIOS.add(Task.KNOWN_CLUSTERS, virtual=False)
async def known_clusters(fault: Fault, folder: Path) -> AsyncIterator[Job]:
    """The file has the latest registrations again."""
    store = MemoryStore(epochs={"default": "epoch-1"})
    replica = MemoryReplica(store)
    store.put(cluster("east"))
    known = KnownClusters(folder, "default")
    source = failing_property(replica, "snapshot", fault.strike)

    async def works() -> None:
        store.put(cluster("west"))
        await until(lambda: [each.id for each in known.read()] == ["east", "west"])

    async def provoke() -> None:
        replica.wake()

    async with AsyncExitStack() as stack:
        in_background(stack, Task.KNOWN_CLUSTERS, lambda: known.keep(source))
        await until(lambda: [each.id for each in known.read()] == ["east"])
        yield Job(works, provoke)
