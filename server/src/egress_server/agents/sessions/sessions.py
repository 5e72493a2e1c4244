"""The server's side of the agents' streams: who is attached, and attempts under way."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field

import structlog

from egress.v1 import agent_service_pb2 as pb
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.contract.agent import command_to_proto, hello_to_domain, result_to_domain
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
"""How long an agent may take beyond an attempt's own time: it reads its sidecar's counters before and after."""
_HELLO_SECONDS = 10.0

_Key = tuple[str, str, str, str]


class Sessions:
    """The agents attached to this process; implements the port AgentSessions.

    `version` is the server's, `grace` as GRACE_SECONDS. `changed` is set when an agent comes or goes.
    """

    def __init__(self, *, version: str, grace: float = GRACE_SECONDS, clock: Clock = system_clock) -> None:
        self.changed = asyncio.Event()
        self._version = version
        self._grace = grace
        self._clock = clock
        self._sessions: dict[_Key, AgentSession] = {}
        self._turns = itertools.count(1)

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """Agents of a cluster, by id; of one namespace where given. Ordered by name."""
        found = [session.info for session in self._of(mesh, cluster, namespace)]
        return sorted(found, key=lambda info: (info.namespace, info.agent))

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The agent with the least to do, of equals the one that rested longest; None where there is none."""
        sessions = self._of(mesh, cluster, namespace)
        return min(sessions, key=lambda s: (s.queued, s.last_turn)).info if sessions else None

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """Has the agent make one connection.

        Raises Unavailable AGENT_LOST, ResourceExhausted AGENT_BUSY, DeadlineExceeded AGENT_NOT_RESPONDING.
        """
        session = self._sessions.get(_key(mesh, agent))
        if session is None:
            raise lost(agent)
        session.last_turn = next(self._turns)
        return await session.attempt(attempt)

    def held(self, mesh: str) -> Sequence[RemoteAgent]:
        """All agents of a mesh, for other processes."""
        return [session.held for (its_mesh, *_), session in self._sessions.items() if its_mesh == mesh]

    def session(self, mesh: str, agent: AgentInfo) -> "AgentSession | None":
        """The session of an agent; None where it is not attached here."""
        return self._sessions.get(_key(mesh, agent))

    async def attach(self, requests: AsyncIterator[pb.AttachRequest]) -> AsyncGenerator[pb.AttachResponse, None]:
        """Serves one stream, from its first message to its end. Close the iterator when the stream is gone.

        Raises InvalidArgument where hello is bad, missing or repeated, Aborted AGENT_REPLACED where another agent of
        the same name has attached, DeadlineExceeded HELLO_MISSING.
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
                yield pb.AttachResponse(attempt=command)
        finally:
            if self._sessions.get(key) is session:
                del self._sessions[key]
                self.changed.set()
            session.end()
            await reader.close()
            _log.info("agent_detached", agent=info.agent, mesh=mesh, cluster=info.cluster)

    def close(self) -> None:
        """Ends all streams, as a server that drains must. Agents come back by themselves."""
        for session in self._sessions.values():
            session.end()

    def _of(self, mesh: str, cluster: str, namespace: str) -> list["AgentSession"]:
        return [
            session
            for (its_mesh, its_cluster, its_namespace, _), session in self._sessions.items()
            if (its_mesh, its_cluster) == (mesh, cluster) and namespace in {"", its_namespace}
        ]


@dataclass(eq=False, slots=True)
class _Job:
    """An attempt for one session."""

    id: str
    attempt: Attempt
    reply: asyncio.Future[Evidence] = field(default_factory=asyncio.Future)

    def fail(self, error: EgressError) -> None:
        """Ends it with an error, unless it has an answer. Perhaps nobody listens any more."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()


class AgentSession:
    """One attached agent, and the attempts that wait for it."""

    def __init__(self, held: RemoteAgent, grace: float) -> None:
        self.held = held
        self._grace = grace
        self.last_turn = 0
        self._ids = itertools.count(1)
        self._unfinished: dict[str, _Job] = {}
        self._running: _Job | None = None
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._over = False
        self._error: EgressError | None = None

    @property
    def info(self) -> AgentInfo:
        """Who it is."""
        return self.held.agent

    @property
    def queued(self) -> int:
        """How many attempts wait or are on their way."""
        return len(self._unfinished)

    async def attempt(self, attempt: Attempt) -> Evidence:
        """Queues an attempt and waits for what came of it."""
        if self._over:
            raise lost(self.info)
        if self.queued >= MOST_QUEUED:
            raise busy(self.info)
        job = _Job(str(next(self._ids)), attempt)
        self._unfinished[job.id] = job
        self._queue.put_nowait(job)
        try:
            return await asyncio.shield(job.reply)
        finally:
            # One that was given up on its way still has the agent's attention, and keeps its place.
            if job is not self._running:
                job.reply.cancel()
                self._unfinished.pop(job.id, None)

    async def commands(self) -> AsyncIterator[pb.AttemptCommand]:
        """What to tell the agent, one attempt after the other. Raises what the session was ended with."""
        while (job := await self._queue.get()) is not None:
            if job.reply.done():
                continue  # whoever asked has gone
            self._running = job
            yield command_to_proto(job.id, job.attempt)
            await asyncio.wait((job.reply,), timeout=job.attempt.timeout + self._grace)
            job.fail(silent(self.info))
            self._running = None
            self._unfinished.pop(job.id, None)
        if self._error:
            raise self._error

    async def read(self, requests: AsyncIterator[pb.AttachRequest]) -> None:
        """Takes in the answers until the agent says no more."""
        error = None
        try:
            async for message in requests:
                if not message.HasField("result"):
                    raise invalid("message", "after hello, an agent sends results only")
                job = self._running
                if job and job.id == message.result.id and not job.reply.done():
                    job.reply.set_result(result_to_domain(message.result))
        except EgressError as refused:
            error = refused
        finally:
            self.end(error)

    def end(self, error: EgressError | None = None) -> None:
        """Ends the stream, with an error where there is one; attempts that wait are lost."""
        if self._over:
            return
        self._over, self._error = True, error
        for job in self._unfinished.values():
            job.fail(lost(self.info))
        self._queue.put_nowait(None)


async def _hello(requests: AsyncIterator[pb.AttachRequest]) -> tuple[str, AgentInfo]:
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            first = await anext(requests, pb.AttachRequest())
    except TimeoutError:
        raise DeadlineExceeded("the agent did not say hello in time", reason="HELLO_MISSING") from None
    if not first.HasField("hello"):
        raise invalid("hello", "must be the first message")
    return hello_to_domain(first.hello)


def _key(mesh: str, info: AgentInfo) -> _Key:
    return mesh, info.cluster, info.namespace, info.agent


MOST_QUEUED = 8
"""Attempts that one agent may have to make."""
_BUSY_RETRY_SECONDS = 1.0


def lost(agent: AgentInfo) -> Unavailable:
    """It is not attached, or no longer."""
    metadata = {"agent": agent.agent, "cluster": agent.cluster}
    return Unavailable(f"agent {agent.agent} is not attached", reason="AGENT_LOST", metadata=metadata)


def busy(agent: AgentInfo) -> ResourceExhausted:
    """It has enough to do."""
    return ResourceExhausted(
        f"agent {agent.agent} has {MOST_QUEUED} attempts to make",
        reason="AGENT_BUSY",
        metadata={"agent": agent.agent, "limit": str(MOST_QUEUED)},
        retry_after=_BUSY_RETRY_SECONDS,
    )


def silent(agent: AgentInfo) -> DeadlineExceeded:
    """It is attached and says nothing."""
    return DeadlineExceeded(f"agent {agent.agent} does not answer", reason="AGENT_NOT_RESPONDING")
