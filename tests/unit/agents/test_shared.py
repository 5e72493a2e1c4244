"""Agents of several processes as each of them sees them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from egress_server.agents.sessions.agent_router import TTL_SECONDS, AgentRouter
from egress_server.agents.sessions.sessions import Sessions
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, ResourceExhausted, Unavailable
from egress_server.domain.probe.evidence import Evidence
from egress_server.ports.agent_bus import AgentReply, AgentRequest, RemoteAgent
from tests.support.doubles.memory_agent_bus import Exchange, MemoryAgentBus
from tests.support.envoy.reports import REPORT
from tests.support.virtual_time import virtual_time
from tests.unit.agents.peer import ATTEMPT, EVIDENCE, SERVER_VERSION, Peer, info

NOTICED_SECONDS = 1.0
"""By when another process must have seen who came or went."""


def loop_time() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


class Process:
    """One process: its own agents, and what it sees of all."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        ids = itertools.count(1)
        self.local = Sessions(version=SERVER_VERSION, grace=1.0, clock=lambda: datetime.fromtimestamp(loop_time(), UTC))
        self.bus = MemoryAgentBus(exchange, name)
        self.sees = AgentRouter(
            self.local,
            self.bus,
            mesh="default",
            process=name,
            ids=lambda: f"{name}{next(ids)}",
            monotonic=loop_time,
        )
        self.sees.start()

    def names(self) -> list[str]:
        """The agents of the cluster as this process sees them."""
        return [agent.agent for agent in self.sees.attached("default", "local")]

    def die(self) -> None:
        """Without a word: it neither tells nor answers from here on."""
        self.bus.dead = True

    async def end(self) -> None:
        """In good order."""
        await self.sees.close()


@asynccontextmanager
async def processes(*names: str) -> AsyncIterator[tuple[Exchange, list[Process]]]:
    """Some processes, and what is between them."""
    exchange = Exchange()
    running = [Process(exchange, name) for name in names]
    yield exchange, running
    for process in running:
        await process.end()


async def noticed() -> None:
    """Everybody has looked."""
    await asyncio.sleep(NOTICED_SECONDS)


def raises(error: BaseException | None) -> tuple[type[BaseException], str]:
    """Kind and reason of an error."""
    assert isinstance(error, EgressError)
    return type(error), error.reason


@virtual_time
async def test_seen_everywhere() -> None:
    """An agent is seen by all processes, by its namespace too, until its stream ends; then by none."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await Peer(b.local).attach(info("curl-1", namespace="prod"))
        await noticed()
        assert a.names() == b.names() == ["curl-0", "curl-1"]
        assert b.sees.attached("default", "local", "default") == [info()]
        assert b.sees.attached("default", "elsewhere") == b.sees.attached("other", "local") == []
        peer.say_no_more()
        await noticed()
        assert a.names() == b.names() == ["curl-1"]


@virtual_time
async def test_attempt_elsewhere() -> None:
    """An attempt reaches an agent of another process, and its evidence comes back."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        chosen = b.sees.choose("default", "local")
        assert chosen == info()
        asked = asyncio.create_task(b.sees.attempt("default", chosen, ATTEMPT))
        peer.answer(await peer.command())
        assert await asked == EVIDENCE


@virtual_time
async def test_evaluation_here_and_elsewhere() -> None:
    """An evaluation reaches the agent wherever it is attached, and its report comes back; a result of another kind does
    not count."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        for process in (a, b):
            asked = asyncio.create_task(process.sees.evaluate("default", info(), ATTEMPT))
            command = await peer.evaluation()
            peer.answer(command)
            peer.report(command)
            assert await asked == REPORT


@virtual_time
async def test_an_older_process_makes_no_evaluation() -> None:
    """It answers with evidence, which is none."""
    async with processes("b") as (exchange, (b,)):
        old = MemoryAgentBus(exchange, "old")
        await old.publish([RemoteAgent(info(), 1.0)], TTL_SECONDS)
        await noticed()
        asked = asyncio.create_task(b.sees.evaluate("default", info(), ATTEMPT))
        request = await old.receive()
        assert isinstance(request, AgentRequest)
        assert request.evaluates
        await old.answer("b", AgentReply(request.id, EVIDENCE))
        with pytest.raises(DeadlineExceeded, match="does not respond"):
            await asked


@virtual_time
async def test_attempts_at_once() -> None:
    """Each of several callers gets the answer to its own attempt."""
    async with processes("a", "b", "c") as (_, (a, b, c)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        asked = [asyncio.create_task(p.sees.attempt("default", info(), ATTEMPT)) for p in (b, c, a, b, c, a)]
        answered = []
        for number in range(len(asked)):
            peer.answer(await peer.command(), Evidence(captured=True, status=200 + number))
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            asked = [each for each in asked if each not in done]
            answered += [each.result().status for each in done]
        assert answered == [200, 201, 202, 203, 204, 205]


@virtual_time
async def test_busy() -> None:
    """An agent has at most eight attempts at a time, from all callers; later callers get a retry time."""
    async with processes("a", "b", "c") as (_, (a, b, c)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        asked = [asyncio.create_task(p.sees.attempt("default", info(), ATTEMPT)) for p in (a, b) * 4]
        await noticed()
        with pytest.raises(ResourceExhausted) as refused:
            await c.sees.attempt("default", info(), ATTEMPT)
        assert refused.value.reason == "AGENT_BUSY"
        assert refused.value.retry_after
        assert refused.value.metadata["agent"] == "curl-0"
        for _ in asked:
            peer.answer(await peer.command())
        assert await asyncio.gather(*asked) == [EVIDENCE] * 8


@virtual_time
async def test_silent() -> None:
    """An agent of another process that does not answer is reported like one of this process."""
    async with processes("a", "b") as (_, (a, b)):
        await Peer(a.local).attach(info())
        await noticed()
        with pytest.raises(DeadlineExceeded) as late:
            await b.sees.attempt("default", info(), ATTEMPT)
        assert late.value.reason == "AGENT_NOT_RESPONDING"


@virtual_time
async def test_lost_on_its_way() -> None:
    """A request whose message gets lost ends all the same."""
    async with processes("a", "b") as (exchange, (a, b)):
        await Peer(a.local).attach(info())
        await noticed()
        exchange.deaf.add("a")
        with pytest.raises(DeadlineExceeded) as late:
            await b.sees.attempt("default", info(), ATTEMPT)
        assert late.value.reason == "AGENT_NOT_RESPONDING"


@virtual_time
async def test_agent_lost() -> None:
    """An agent that leaves another process in the middle of an attempt, or before it, is lost."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        asked = asyncio.create_task(b.sees.attempt("default", info(), ATTEMPT))
        await peer.command()
        peer.say_no_more()
        await asyncio.wait({asked})
        assert raises(asked.exception()) == (Unavailable, "AGENT_LOST")
        with pytest.raises(Unavailable) as lost:
            await b.sees.attempt("default", info(), ATTEMPT)
        assert lost.value.reason == "AGENT_LOST"


@virtual_time
async def test_process_dies() -> None:
    """What was asked of a process that dies is lost as soon as the others no longer believe in it."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        asked = asyncio.create_task(b.sees.attempt("default", info(), ATTEMPT))
        await peer.command()
        a.die()
        began = loop_time()
        await asyncio.wait({asked})
        assert raises(asked.exception()) == (Unavailable, "AGENT_LOST")
        assert loop_time() - began < TTL_SECONDS + NOTICED_SECONDS
        assert b.names() == []


@virtual_time
async def test_a_clean_end_is_noticed_at_once() -> None:
    """A process that ends signs off: no caller waits for its agents."""
    async with processes("a", "b") as (_, (a, b)):
        await Peer(a.local).attach(info())
        await noticed()
        assert b.names() == ["curl-0"]
        await a.end()
        await noticed()
        assert b.names() == []


@virtual_time
async def test_store_unreachable() -> None:
    """Without the store our own agents work on; those of other processes disappear after a while, and reappear with
    the store."""
    async with processes("a", "b") as (exchange, (a, b)):
        peer = await Peer(a.local).attach(info())
        await Peer(b.local).attach(info("curl-1"))
        await noticed()
        exchange.down = True
        await noticed()
        assert a.names() == ["curl-0", "curl-1"]
        with pytest.raises(Unavailable) as away:
            await a.sees.attempt("default", info("curl-1"), ATTEMPT)
        assert away.value.reason == "STORE_UNAVAILABLE"
        await asyncio.sleep(TTL_SECONDS + NOTICED_SECONDS)
        assert a.names() == ["curl-0"]
        assert a.sees.choose("default", "local") == info()
        asked = asyncio.create_task(a.sees.attempt("default", info(), ATTEMPT))
        peer.answer(await peer.command())
        assert await asked == EVIDENCE
        exchange.down = False
        await asyncio.sleep(5)
        assert a.names() == b.names() == ["curl-0", "curl-1"]


@virtual_time
async def test_choose() -> None:
    """An idle agent that is attached here comes first; if it is busy, an idle one elsewhere."""
    async with processes("a", "b") as (_, (a, b)):
        await Peer(a.local).attach(info("here"))
        await Peer(b.local).attach(info("there"))
        await noticed()
        assert a.sees.choose("default", "local") == info("here")
        assert b.sees.choose("default", "local") == info("there")
        asked = [asyncio.create_task(a.sees.attempt("default", info("here"), ATTEMPT))]
        await noticed()
        assert a.sees.choose("default", "local") == info("there")
        asked += [asyncio.create_task(a.sees.attempt("default", info("there"), ATTEMPT))]
        await noticed()
        assert a.sees.choose("default", "local") == info("here")
        assert a.sees.choose("default", "elsewhere") is None
        for each in asked:
            each.cancel()


@virtual_time
async def test_the_younger_stream_lives() -> None:
    """Of an agent that came back to another process before its former stream was given up, the new stream is asked."""
    async with processes("a", "b") as (_, (a, b)):
        await Peer(a.local).attach(info())
        await asyncio.sleep(5)
        young = await Peer(b.local).attach(info())
        await noticed()
        assert a.names() == ["curl-0"]
        for process in (a, b):
            asked = asyncio.create_task(process.sees.attempt("default", info(), ATTEMPT))
            young.answer(await young.command())
            assert await asked == EVIDENCE


@virtual_time
async def test_asked_twice() -> None:
    """A request that arrives twice is one attempt."""
    async with processes("a", "b") as (_, (a, b)):
        peer = await Peer(a.local).attach(info())
        await noticed()
        for _again in range(2):
            assert await b.bus.ask("a", AgentRequest("b1", "b", info(), ATTEMPT, 60.0))
        peer.answer(await peer.command())
        await noticed()
        assert peer.told.empty()
