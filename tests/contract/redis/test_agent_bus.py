"""What the agent bus leaves in Redis: little, and only briefly."""

from typing import Any

from egress_server.ports.agent_bus import AgentReply
from egress_server.store.agent_bus import RedisAgentBus
from egress_server.store.redis.connection import RedisConnection
from tests.contract.benches import Bench
from tests.contract.store.test_agent_bus import ASK, EVIDENCE, HELD, TTL
from tests.support.waiting import until


async def bus(bench: Bench, process: str) -> RedisAgentBus:
    """The bus of one process."""
    return RedisAgentBus(bench.connection, await bench.connect(), bench.mesh, process)


async def test_nothing_is_left_of_a_silent_process(bench: Bench) -> None:
    """Once the lifetime is over and another process has read, no key of it is left."""
    a, b = await bus(bench, "a"), await bus(bench, "b")
    await a.publish([HELD], 0.02)

    async def is_alone() -> bool:
        return not await b.others()

    await until(is_alone)
    assert not await bench.connection.call("EXISTS", bench.keys.processes, bench.keys.sessions("a"))
    assert not await b.ask("a", ASK)


class Late:
    """A connection on which the sessions of a process expire between the read of their version and their own."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self.read_together = connection.read_together

    async def call(self, *command: Any) -> Any:
        """Calls the connection."""
        if command[0] == "HGET":
            await self._connection.call("DEL", command[1])
        return await self._connection.call(*command)


async def test_a_process_that_expires_during_the_look(bench: Bench) -> None:
    """It is removed by that read, and not only by the next one."""
    a = await bus(bench, "a")
    await a.publish([HELD], TTL)
    late: Any = Late(bench.connection)
    assert not await RedisAgentBus(late, bench.connection, bench.mesh, "b").others()
    assert not await bench.connection.call("EXISTS", bench.keys.processes)


async def test_a_store_that_lost_it_all(bench: Bench) -> None:
    """After a flush, the next publication of a process contains everything again."""
    a, b = await bus(bench, "a"), await bus(bench, "b")
    await a.publish([HELD], TTL)
    await bench.connection.call("DEL", bench.keys.processes, bench.keys.sessions("a"))
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}


async def test_nothing_is_kept_for_the_gone(bench: Bench) -> None:
    """Answers to a process that never fetches them expire."""
    a = await bus(bench, "a")
    await a.answer("gone", AgentReply("1", EVIDENCE))
    assert 0 < await bench.connection.call("PTTL", bench.keys.inbox("gone")) <= 60_000
