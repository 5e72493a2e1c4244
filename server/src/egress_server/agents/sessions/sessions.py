"""The server's side of the agents' streams: which agents are attached, and their attempts."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import structlog

from egress.v1 import agent_service_pb2 as pb
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.contract.agent import command_to_proto, hello_to_domain, result_to_domain
from egress_server.contract.live import report_to_domain
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import (
    Aborted,
    DeadlineExceeded,
    EgressError,
    ResourceExhausted,
    Unavailable,
    invalid,
)
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agent_bus import RemoteAgent
from egress_server.ports.agents import AgentInfo
from egress_server.ports.clock import Clock, system_clock

_log = structlog.get_logger(__name__)

GRACE_SECONDS = 10.0
"""How much longer than an attempt's own timeout an agent may take: it reads its sidecar's counters before and after."""
_HELLO_SECONDS = 10.0

_Key = tuple[str, str, str, str]


class Sessions:
    """The agents attached to this process; implements the port AgentSessions.

    `version` is the server's, `grace` as GRACE_SECONDS. `changed` is set when an agent attaches or detaches.
    """

    def __init__(self, *, version: str, grace: float = GRACE_SECONDS, clock: Clock = system_clock) -> None:
        self.changed = asyncio.Event()
        self._version = version
        self._grace = grace
        self._clock = clock
        self._sessions: dict[_Key, AgentSession] = {}
        self._turns = itertools.count(1)

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """Agents of a cluster, by id, or of one namespace. Ordered by name."""
        found = [session.info for session in self._of(mesh, cluster, namespace)]
        return sorted(found, key=lambda info: (info.namespace, info.agent))

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The agent with the fewest attempts, of equals the one that has been idle longest; None if there is none."""
        sessions = self._of(mesh, cluster, namespace)
        return min(sessions, key=lambda s: (s.queued, s.last_turn)).info if sessions else None

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """Lets the agent make one connection.

        Raises Unavailable AGENT_LOST, ResourceExhausted AGENT_BUSY, DeadlineExceeded AGENT_NOT_RESPONDING.
        """
        return await self._next_turn(mesh, agent).attempt(attempt)

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """Lets the agent evaluate its sidecar's configuration. Raises as `attempt` does."""
        return await self._next_turn(mesh, agent).evaluate(attempt)

    def held(self, mesh: str) -> Sequence[RemoteAgent]:
        """All agents of a mesh, for other processes."""
        return [session.held for (session_mesh, *_), session in self._sessions.items() if session_mesh == mesh]

    def session(self, mesh: str, agent: AgentInfo) -> "AgentSession | None":
        """The session of an agent; None if it is not attached here."""
        return self._sessions.get(_key(mesh, agent))

    async def attach(self, requests: AsyncIterator[pb.AttachRequest]) -> AsyncGenerator[pb.AttachResponse, None]:
        """Serves one stream, from its first message to its end. Close the iterator when the stream is gone.

        Raises InvalidArgument if hello is invalid, missing or repeated, Aborted AGENT_REPLACED if another agent of the
        same name attaches, DeadlineExceeded HELLO_MISSING.
        """
        mesh, info = await _hello(requests)
        key, session = _key(mesh, info), AgentSession(RemoteAgent(info, self._clock().timestamp()), self._grace)
        if former := self._sessions.get(key):
            former.end(Aborted("another agent of this name has attached", reason="AGENT_REPLACED"))
        self._sessions[key] = session
        self.changed.set()
        reader = Background()
        reader.start_once(Task.AGENT_SESSION, session.read(requests), agent=info.agent, cluster=info.cluster)
        _log.info("agent_attached", agent=info.agent, mesh=mesh, cluster=info.cluster, namespace=info.namespace)
        try:
            yield pb.AttachResponse(welcome=pb.AttachResponse.Welcome(version=self._version))
            async for command in session.commands():
                yield command
        finally:
            if self._sessions.get(key) is session:
                del self._sessions[key]
                self.changed.set()
            session.end()
            await reader.close()
            _log.info("agent_detached", agent=info.agent, mesh=mesh, cluster=info.cluster)

    def close(self) -> None:
        """Ends all streams, as a draining server must. Agents attach again by themselves."""
        for session in self._sessions.values():
            session.end()

    def _next_turn(self, mesh: str, agent: AgentInfo) -> "AgentSession":
        session = self._sessions.get(_key(mesh, agent))
        if session is None:
            raise agent_lost(agent)
        session.last_turn = next(self._turns)
        return session

    def _of(self, mesh: str, cluster: str, namespace: str) -> list["AgentSession"]:
        return [
            session
            for (session_mesh, session_cluster, session_namespace, _), session in self._sessions.items()
            if (session_mesh, session_cluster) == (mesh, cluster) and namespace in {"", session_namespace}
        ]


T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Job(Generic[T]):
    """An attempt or evaluation of one session."""

    id: str
    attempt: Attempt
    reply: asyncio.Future[T] = field(default_factory=asyncio.Future)

    def fail(self, error: EgressError) -> None:
        """Ends it with an error, unless it has a result. The caller may be gone."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()


class _Attempt(_Job[Evidence]):
    """An attempt of one session."""

    @property
    def command(self) -> pb.AttachResponse:
        """The message to the agent."""
        return pb.AttachResponse(attempt=command_to_proto(self.id, self.attempt))


class _Evaluation(_Job[LiveReport]):
    """An evaluation of one session."""

    @property
    def command(self) -> pb.AttachResponse:
        """The message to the agent."""
        return pb.AttachResponse(evaluate=command_to_proto(self.id, self.attempt))


_AnyJob = _Attempt | _Evaluation


class AgentSession:
    """One attached agent, and the attempts that wait for it."""

    def __init__(self, held: RemoteAgent, grace: float) -> None:
        self.held = held
        self._grace = grace
        self.last_turn = 0
        self._ids = itertools.count(1)
        self._unfinished: dict[str, _AnyJob] = {}
        self._running: _AnyJob | None = None
        self._queue: asyncio.Queue[_AnyJob | None] = asyncio.Queue()
        self._ended = False
        self._error: EgressError | None = None

    @property
    def info(self) -> AgentInfo:
        """The agent."""
        return self.held.agent

    @property
    def queued(self) -> int:
        """How many attempts are waiting or running."""
        return len(self._unfinished)

    async def attempt(self, attempt: Attempt) -> Evidence:
        """Queues an attempt and waits for its result."""
        job = _Attempt(str(next(self._ids)), attempt)
        self._enqueue(job)
        return await self._wait_for(job)

    async def evaluate(self, attempt: Attempt) -> LiveReport:
        """Queues an evaluation and waits for its result."""
        job = _Evaluation(str(next(self._ids)), attempt)
        self._enqueue(job)
        return await self._wait_for(job)

    def _enqueue(self, job: _AnyJob) -> None:
        if self._ended:
            raise agent_lost(self.info)
        if self.queued >= MAX_QUEUED:
            raise agent_busy(self.info)
        self._unfinished[job.id] = job
        self._queue.put_nowait(job)

    async def _wait_for(self, job: _Job[T]) -> T:
        try:
            return await asyncio.shield(job.reply)
        finally:
            # One that was abandoned while it ran still occupies the agent, and keeps its place.
            if job is not self._running:
                job.reply.cancel()
                self._unfinished.pop(job.id, None)

    async def commands(self) -> AsyncIterator[pb.AttachResponse]:
        """The commands for the agent, one attempt after the other. Raises the error that the session was ended with."""
        while (job := await self._queue.get()) is not None:
            if job.reply.done():
                continue  # the caller is gone
            self._running = job
            yield job.command
            await asyncio.wait((job.reply,), timeout=job.attempt.timeout + self._grace)
            job.fail(agent_not_responding(self.info))
            self._running = None
            self._unfinished.pop(job.id, None)
        if self._error:
            raise self._error

    async def read(self, requests: AsyncIterator[pb.AttachRequest]) -> None:
        """Receives results until the agent ends its side of the stream."""
        error = None
        try:
            async for message in requests:
                self._receive(message)
        except EgressError as violation:
            error = violation
        finally:
            self.end(error)

    def _receive(self, message: pb.AttachRequest) -> None:
        job = self._running
        if message.HasField("result"):
            if isinstance(job, _Attempt) and job.id == message.result.id and not job.reply.done():
                job.reply.set_result(result_to_domain(message.result))
        elif message.HasField("evaluation"):
            if isinstance(job, _Evaluation) and job.id == message.evaluation.id and not job.reply.done():
                job.reply.set_result(report_to_domain(message.evaluation.evaluation))
        else:
            raise invalid("message", "must be a result or an evaluation: hello was already sent")

    def end(self, error: EgressError | None = None) -> None:
        """Ends the stream, with an error if given; waiting attempts are lost."""
        if self._ended:
            return
        self._ended, self._error = True, error
        for job in self._unfinished.values():
            job.fail(agent_lost(self.info))
        self._queue.put_nowait(None)


async def _hello(requests: AsyncIterator[pb.AttachRequest]) -> tuple[str, AgentInfo]:
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            first = await anext(requests, pb.AttachRequest())
    except TimeoutError:
        raise DeadlineExceeded("the agent did not send hello in time", reason="HELLO_MISSING") from None
    if not first.HasField("hello"):
        raise invalid("hello", "must be the first message")
    return hello_to_domain(first.hello)


def _key(mesh: str, info: AgentInfo) -> _Key:
    return mesh, info.cluster, info.namespace, info.agent


MAX_QUEUED = 8
"""How many attempts may be queued for one agent."""
_BUSY_RETRY_SECONDS = 1.0


def agent_lost(agent: AgentInfo) -> Unavailable:
    """It is not attached, or no longer."""
    metadata = {"agent": agent.agent, "cluster": agent.cluster}
    return Unavailable(f"agent {agent.agent} is not attached", reason="AGENT_LOST", metadata=metadata)


def agent_busy(agent: AgentInfo) -> ResourceExhausted:
    """Its queue is full."""
    return ResourceExhausted(
        f"agent {agent.agent} is busy: {MAX_QUEUED} attempts are queued",
        reason="AGENT_BUSY",
        metadata={"agent": agent.agent, "limit": str(MAX_QUEUED)},
        retry_after=_BUSY_RETRY_SECONDS,
    )


def agent_not_responding(agent: AgentInfo) -> DeadlineExceeded:
    """It is attached but does not respond."""
    return DeadlineExceeded(f"agent {agent.agent} does not respond", reason="AGENT_NOT_RESPONDING")
