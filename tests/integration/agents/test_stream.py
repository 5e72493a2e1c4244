"""An agent and a server over real gRPC: attach, attempts, loss and return."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.agent.attach import Agent
from egress_server.agents.grpc_options import SERVER_OPTIONS
from egress_server.agents.sessions.sessions import Sessions
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import Unavailable
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.ports.agents import AgentInfo
from tests.support.envoy.reports import REPORT
from tests.support.waiting import until

INFO = AgentInfo("curl-0", "local", "default", "", "0.1.0", {"app": "curl"})
ATTEMPT = Attempt(Destination("http", "www.example.com", 80, "/a?b"), "GET", {"x": "y"}, "203.0.113.10", 1.5)


class Maker:
    """Attempts that a test decides."""

    def __init__(self) -> None:
        self.asked: list[Attempt] = []
        self.cancelled = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, attempt: Attempt) -> Evidence:
        """Waits for the test's word."""
        self.asked.append(attempt)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if attempt.method == "BUG":
            raise RuntimeError("a bug")
        return Evidence(captured=True, status=301)

    async def evaluate(self, attempt: Attempt) -> LiveReport:
        """The configuration's answer."""
        if attempt.method == "BUG":
            raise RuntimeError("a bug")
        return REPORT


@asynccontextmanager
async def serving(address: str, sessions: Sessions) -> AsyncIterator[None]:
    """A server at an address; it stops at once."""

    async def attach(
        requests: AsyncIterator[pb.AttachRequest],
        context: grpc.aio.ServicerContext[pb.AttachRequest, pb.AttachResponse],
    ) -> AsyncIterator[pb.AttachResponse]:
        async for response in sessions.attach(requests):
            yield response

    handler = grpc.stream_stream_rpc_method_handler(
        attach,
        request_deserializer=pb.AttachRequest.FromString,
        response_serializer=pb.AttachResponse.SerializeToString,
    )
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("egress.v1.AgentService", {"Attach": handler}),)
    )
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[asyncio.Task[None]]:
    """An agent at work."""
    task = asyncio.create_task(agent.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where the server listens."""
    return f"unix:{tmp_path}/grpc.sock"


async def attached(sessions: Sessions) -> None:
    """Waits for the agent."""
    await until(lambda: bool(sessions.attached("default", "local")))


async def test_attempt(address: str) -> None:
    """An attempt arrives whole, and its evidence comes back; a bug in the agent costs one attempt, not the stream."""
    sessions, make = Sessions(version="9.9"), Maker()
    async with serving(address, sessions), running(Agent(address, "default", INFO, make, make.evaluate)):
        await attached(sessions)
        assert sessions.attached("default", "local") == [INFO]
        assert await sessions.attempt("default", INFO, ATTEMPT) == Evidence(captured=True, status=301)
        bug = Attempt(ATTEMPT.destination, "BUG")
        assert (await sessions.attempt("default", INFO, bug)).refused == "AGENT_ERROR"
        bad = Attempt(Destination("http", "user@www.example.com", 80))
        assert (await sessions.attempt("default", INFO, bad)).refused == "COMMAND_INVALID"
        assert (await sessions.attempt("default", INFO, ATTEMPT)).status == 301
    assert make.asked == [ATTEMPT, bug, ATTEMPT]


async def test_evaluation(address: str) -> None:
    """A report comes back whole; nothing is attempted, and a bug in the agent costs one evaluation, not the stream."""
    sessions, make = Sessions(version="9.9"), Maker()
    async with serving(address, sessions), running(Agent(address, "default", INFO, make, make.evaluate)):
        await attached(sessions)
        assert await sessions.evaluate("default", INFO, ATTEMPT) == REPORT
        bug = Attempt(ATTEMPT.destination, "BUG")
        assert (await sessions.evaluate("default", INFO, bug)).decision.cause == "AGENT_ERROR"
        bad = Attempt(Destination("http", "user@www.example.com", 80))
        assert (await sessions.evaluate("default", INFO, bad)).decision.cause == "COMMAND_INVALID"
    assert make.asked == []


async def test_agent_comes_back(address: str) -> None:
    """An agent that starts before the server, or loses it, attaches as soon as there is one."""
    sessions, make = Sessions(version="9.9"), Maker()
    async with running(Agent(address, "default", INFO, make, make.evaluate)):
        for _ in range(2):
            async with serving(address, sessions):
                await attached(sessions)
                assert (await sessions.attempt("default", INFO, ATTEMPT)).status == 301
            await until(lambda: not sessions.attached("default", "local"))


async def test_stream_lost_on_the_way(address: str) -> None:
    """When the server goes away, the attempt on its way is lost here and cancelled there."""
    sessions, make = Sessions(version="9.9"), Maker()
    make.go_on.clear()
    async with running(Agent(address, "default", INFO, make, make.evaluate)):
        async with serving(address, sessions):
            await attached(sessions)
            asked = asyncio.create_task(sessions.attempt("default", INFO, ATTEMPT))
            await until(lambda: bool(make.asked))
        with pytest.raises(Unavailable):
            await asked
        await until(lambda: make.cancelled == 1)


async def test_agent_stops(address: str) -> None:
    """An agent that is stopped in the middle of an attempt is gone at once, and the attempt is lost."""
    sessions, make = Sessions(version="9.9"), Maker()
    make.go_on.clear()
    async with serving(address, sessions):
        async with running(Agent(address, "default", INFO, make, make.evaluate)):
            await attached(sessions)
            asked = asyncio.create_task(sessions.attempt("default", INFO, ATTEMPT))
            await until(lambda: bool(make.asked))
        with pytest.raises(Unavailable):
            await asked
        await until(lambda: not sessions.attached("default", "local"))
    assert make.cancelled == 1


async def test_drain(address: str) -> None:
    """A server that drains ends the streams, so that it can stop in time; the agent tries again."""
    sessions, make = Sessions(version="9.9"), Maker()
    async with serving(address, sessions), running(Agent(address, "default", INFO, make, make.evaluate)):
        await attached(sessions)
        sessions.close()
        await until(lambda: not sessions.attached("default", "local"))
        await attached(sessions)
