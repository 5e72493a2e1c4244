"""Tasks of agents: those of a server's sessions, those between processes, and the agent's own stream."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from egress_server.agents.agent.attach import Agent
from egress_server.agents.sessions.agent_router import AgentRouter
from egress_server.agents.sessions.sessions import Sessions
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agent_bus import AgentBus
from tests.integration.agents.test_stream import INFO, serving
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job, Unforeseen, failing
from tests.support.doubles.memory_agent_bus import Exchange, MemoryAgentBus
from tests.support.waiting import until
from tests.unit.agents.peer import ATTEMPT, EVIDENCE, SERVER_VERSION, Peer, info
from tests.unit.agents.test_shared import loop_time


class Pair:
    """Two processes on one bus; one method of the second one fails."""

    def __init__(self, method: str, fault: Fault) -> None:
        exchange = Exchange()
        self.here, self.there = Sessions(version=SERVER_VERSION), Sessions(version=SERVER_VERSION)
        self.near = _router(self.here, MemoryAgentBus(exchange, "near"), "near")
        self.far = _router(self.there, failing(MemoryAgentBus(exchange, "far"), method, fault.strike), "far")
        self._peers = 0

    async def attach(self, sessions: Sessions) -> tuple[str, Peer]:
        """One more agent."""
        self._peers += 1
        name = f"curl-{self._peers}"
        return name, await Peer(sessions).attach(info(name))

    async def seen(self, router: AgentRouter, name: str) -> None:
        """Waits until a process sees an agent."""
        await until(lambda: name in {agent.agent for agent in router.attached("default", "local")})

    async def probe(self, name: str, peer: Peer) -> None:
        """Makes the first process probe through an agent of the second."""
        asked = asyncio.create_task(self.near.attempt("default", info(name), ATTEMPT))
        peer.answer(await peer.command())
        assert await asked == EVIDENCE


def _router(sessions: Sessions, bus: AgentBus, process: str) -> AgentRouter:
    ids = iter(range(1000))
    return AgentRouter(
        sessions, bus, mesh="default", process=process, ids=lambda: f"{process}{next(ids)}", monotonic=loop_time
    )


@asynccontextmanager
async def a_pair(method: str, fault: Fault) -> AsyncIterator[tuple[Pair, str, Peer]]:
    """Two running processes, and an agent of the second one that both see."""
    pair = Pair(method, fault)
    pair.near.start()
    pair.far.start()
    name, peer = await pair.attach(pair.there)
    await pair.seen(pair.near, name)
    yield pair, name, peer
    fault.heal()
    await pair.near.close()
    await pair.far.close()


@SCENARIOS.add(Task.AGENT_PUBLISHER)
async def agent_publisher(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Other processes see a new agent later; its own process knows it."""
    async with a_pair("publish", fault) as (pair, _name, _peer):

        async def works() -> None:
            new, _ = await pair.attach(pair.there)
            await pair.seen(pair.near, new)

        async def provoke() -> None:
            await pair.attach(pair.there)

        async def rest() -> None:
            new, _ = await pair.attach(pair.here)
            await pair.seen(pair.far, new)

        yield Job(works, provoke, rest)


@SCENARIOS.add(Task.AGENT_DIRECTORY)
async def agent_directory(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Agents of other processes are seen later."""
    async with a_pair("others", fault) as (pair, name, peer):

        async def works() -> None:
            new, _ = await pair.attach(pair.here)
            await pair.seen(pair.far, new)

        yield Job(works, rest=lambda: pair.probe(name, peer))


@SCENARIOS.add(Task.AGENT_INBOX)
async def agent_inbox(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Requests of other processes are handled again."""
    async with a_pair("receive", fault) as (pair, name, peer):

        async def rest() -> None:
            new, _ = await pair.attach(pair.there)
            await pair.seen(pair.near, new)

        yield Job(lambda: pair.probe(name, peer), rest=rest)


@SCENARIOS.add(Task.AGENT_REQUEST)
async def agent_request(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """One request is lost, but not the next one."""
    async with a_pair("answer", fault) as (pair, name, peer):

        async def provoke() -> None:
            asyncio.create_task(pair.near.attempt("default", info(name), ATTEMPT)).cancel()
            asked = asyncio.create_task(pair.near.attempt("default", info(name), ATTEMPT))
            before = len(fault.times)
            peer.answer(await peer.command())
            await until(lambda: len(fault.times) > before)
            asked.cancel()

        yield Job(lambda: pair.probe(name, peer), provoke)


@SCENARIOS.add(Task.AGENT_SESSION)
async def agent_session(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """One stream ends, and not the others; the agent may attach again."""
    sessions = Sessions(version=SERVER_VERSION)
    other = await Peer(sessions).attach(info("other"))

    class Odd(Peer):
        """An agent whose stream fails in its own way."""

        async def _requests(self) -> AsyncIterator[Any]:
            async for message in super()._requests():
                if not message.HasField("hello"):
                    fault.strike()
                yield message

    async def works() -> None:
        peer = await Odd(sessions).attach(info("odd"))
        asked = asyncio.create_task(sessions.attempt("default", info("odd"), ATTEMPT))
        peer.answer(await peer.command())
        assert await asked == EVIDENCE
        peer.say_no_more()
        await peer.stream

    async def provoke() -> None:
        peer = await Odd(sessions).attach(info("odd"))
        asked = asyncio.create_task(sessions.attempt("default", info("odd"), ATTEMPT))
        peer.answer(await peer.command())
        await asyncio.wait({asked, peer.stream})
        assert asked.exception()

    async def rest() -> None:
        asked = asyncio.create_task(sessions.attempt("default", info("other"), ATTEMPT))
        other.answer(await other.command())
        assert await asked == EVIDENCE

    yield Job(works, provoke, rest)
    other.say_no_more()
    await other.stream


@SCENARIOS.add(Task.AGENT_STREAM, virtual=False)
async def agent_stream(fault: Fault, folder: Path) -> AsyncIterator[Job]:
    """An agent that can't report its result attaches again, and answers the next attempt."""
    sessions, address = Sessions(version=SERVER_VERSION), f"unix:{folder}/grpc"

    async def make(_: Attempt) -> Evidence:
        if fault.armed:
            try:
                fault.strike()
            except Unforeseen:
                return None  # type: ignore[return-value]
        return EVIDENCE

    async def no_evaluation(_: Attempt) -> LiveReport:
        raise AssertionError("nothing asks for one")

    async def ask() -> bool:
        try:
            return await sessions.attempt("default", INFO, ATTEMPT) == EVIDENCE
        except Unavailable:
            return False  # it is not attached at the moment

    async def keep_asking() -> None:
        while True:
            await ask()
            await asyncio.sleep(0.05)

    async def works() -> None:
        await until(ask, "an attached agent", poll=0.05)

    agent, asking = Background(), asyncio.create_task(keep_asking())
    async with serving(address, sessions):
        agent.start(Task.AGENT_STREAM, Agent(address, "default", INFO, make, no_evaluation).run)
        yield Job(works)
        asking.cancel()
        await agent.close()
