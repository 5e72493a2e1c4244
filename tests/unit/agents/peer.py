"""An agent without a transport, as tests drive it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.sessions.sessions import Sessions
from egress_server.contract.agent import hello_to_proto, result_to_proto
from egress_server.contract.live import report_to_proto
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.ports.agents import AgentInfo
from tests.support.envoy.reports import REPORT

ATTEMPT = Attempt(Destination("http", "www.example.com", 80))
EVIDENCE = Evidence(captured=True, status=301)
SERVER_VERSION = "9.9"


def info(agent: str = "curl-0", *, cluster: str = "local", namespace: str = "default") -> AgentInfo:
    """An agent."""
    return AgentInfo(agent, cluster, namespace, "", "0.1.0", {"app": "curl"})


class Peer:
    """An agent as a test drives it: what it sends, and what it received."""

    def __init__(self, sessions: Sessions) -> None:
        self._says: asyncio.Queue[pb.AttachRequest | None] = asyncio.Queue()
        self.told: asyncio.Queue[pb.AttachResponse] = asyncio.Queue()
        self.stream = asyncio.create_task(self._run(sessions))

    async def _run(self, sessions: Sessions) -> None:
        async with aclosing(sessions.attach(self._requests())) as responses:
            async for response in responses:
                self.told.put_nowait(response)

    async def _requests(self) -> AsyncIterator[pb.AttachRequest]:
        while (message := await self._says.get()) is not None:
            yield message

    def say(self, message: pb.AttachRequest) -> None:
        """Sends a message."""
        self._says.put_nowait(message)

    def say_no_more(self) -> None:
        """Ends its side of the stream."""
        self._says.put_nowait(None)

    async def attach(self, who: AgentInfo, mesh: str = "default") -> "Peer":
        """Says hello and waits for the welcome."""
        self.say(pb.AttachRequest(hello=hello_to_proto(mesh, who)))
        assert (await self.told.get()).welcome.version == SERVER_VERSION
        return self

    async def command(self) -> pb.AttemptCommand:
        """The next attempt that it is asked to make."""
        return (await self.told.get()).attempt

    async def evaluation(self) -> pb.AttemptCommand:
        """The next attempt that it is asked to evaluate."""
        return (await self.told.get()).evaluate

    def report(self, command: pb.AttemptCommand) -> None:
        """Sends the result of an evaluation."""
        result = pb.EvaluationResult(id=command.id, evaluation=report_to_proto(REPORT))
        self.say(pb.AttachRequest(evaluation=result))

    def answer(self, command: pb.AttemptCommand, evidence: Evidence = EVIDENCE) -> None:
        """Sends the result of an attempt."""
        self.say(pb.AttachRequest(result=result_to_proto(command.id, evidence)))
