"""The agents of all processes over one store, as if they were attached here: what verification and Probe use if there
is more than one process.

Each process publishes the agents that are attached to it, and makes the attempts that others request. Local agents are
called directly and keep working while the store is down; those of other processes are then soon forgotten.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from egress_server.agents.sessions.sessions import GRACE_SECONDS, MAX_QUEUED, Sessions, agent_lost, agent_not_responding
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, ResourceExhausted, Unavailable
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agent_bus import AgentBus, AgentRefusal, AgentReply, AgentRequest, RemoteAgent
from egress_server.ports.agents import AgentInfo
from egress_server.ports.clock import Ids, Monotonic

_log = structlog.get_logger(__name__)

TTL_SECONDS = 10.0
"""How long others keep what they last received, and so how long it takes them to notice that a process has died."""
_REFRESH_SECONDS = 3.0
_POLL_SECONDS = 0.5
_WITHDRAW_SECONDS = 1.0

_ERRORS = {error.code: error for error in (Unavailable, ResourceExhausted, DeadlineExceeded)}
_Key = tuple[str, str, str]


@dataclass(eq=False, slots=True)
class _Remote:
    """An agent of another process. `asked` counts our own pending attempts by it."""

    process: str
    held: RemoteAgent
    asked: int = 0
    last_turn: int = 0


@dataclass(frozen=True, slots=True)
class _Pending:
    """An attempt or evaluation that another process makes for us."""

    process: str
    agent: AgentInfo
    reply: asyncio.Future[AgentReply]

    def fail(self, error: EgressError) -> None:
        """Ends it with an error, unless it has a result. The caller may be gone."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()


class AgentRouter:
    """See ports.agents.AgentSessions. `process` names this one; of meshes other than `mesh` only `local` agents are
    known."""

    def __init__(
        self,
        local: Sessions,
        bus: AgentBus,
        *,
        mesh: str,
        process: str,
        ids: Ids,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._local = local
        self._bus = bus
        self._mesh = mesh
        self._process = process
        self._ids = ids
        self._monotonic = monotonic
        self._remotes: dict[_Key, _Remote] = {}
        self._refreshed_at = 0.0
        self._turns = itertools.count(1)
        self._pending: dict[str, _Pending] = {}
        self._tasks = Background()
        self._requests = Background()
        self._serving: set[str] = set()

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """See the port. Ordered by name."""
        found = {_key(info): info for info in self._local.attached(mesh, cluster, namespace)}
        found |= {_key(r.held.agent): r.held.agent for r in self._of(mesh, cluster, namespace)}
        return sorted(found.values(), key=lambda info: (info.namespace, info.agent))

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """See the port. Of equals, one that is attached here."""
        local = self._local.choose(mesh, cluster, namespace)
        remote = min(self._of(mesh, cluster, namespace), key=lambda r: (r.asked, r.last_turn), default=None)
        if local is None or remote is None:
            return remote.held.agent if remote else local
        session = self._local.session(mesh, local)
        return remote.held.agent if session and remote.asked < session.queued else local

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """See the port. For an agent of another process also raises Unavailable STORE_UNAVAILABLE."""
        if (remote := self._remote(mesh, agent)) is None:
            return await self._local.attempt(mesh, agent, attempt)
        reply = await self._request(remote, attempt)
        if reply.evidence is None:
            raise agent_not_responding(agent)
        return reply.evidence

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """See the port. Raises as `attempt` does."""
        if (remote := self._remote(mesh, agent)) is None:
            return await self._local.evaluate(mesh, agent, attempt)
        reply = await self._request(remote, attempt, evaluates=True)
        if reply.report is None:  # a process of an older version has made the attempt instead
            raise agent_not_responding(agent)
        return reply.report

    def start(self) -> None:
        """Synchronizes with the other processes until `close`."""
        for task, step in (
            (Task.AGENT_PUBLISHER, self._publish),
            (Task.AGENT_DIRECTORY, self._refresh),
            (Task.AGENT_INBOX, self._receive),
        ):
            self._tasks.start(task, partial(self._repeat, step), expected=(EgressError,))

    async def close(self) -> None:
        """Withdraws this process's agents from the others."""
        await self._tasks.close()
        await self._requests.close()
        with suppress(EgressError, TimeoutError):
            async with asyncio.timeout(_WITHDRAW_SECONDS):
                await self._bus.publish((), TTL_SECONDS)

    def _of(self, mesh: str, cluster: str, namespace: str) -> list[_Remote]:
        if mesh != self._mesh:
            return []
        agents = [(remote, remote.held.agent) for remote in self._remotes.values()]
        return [r for r, agent in agents if agent.cluster == cluster and namespace in {"", agent.namespace}]

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await step()
        except Exception:
            self._forget_stale()
            raise

    async def _publish(self) -> None:
        self._local.changed.clear()
        await self._bus.publish(self._local.held(self._mesh), TTL_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                await self._local.changed.wait()

    async def _refresh(self) -> None:
        self._update(await self._bus.others())
        self._refreshed_at = self._monotonic()
        await asyncio.sleep(_POLL_SECONDS)

    async def _receive(self) -> None:
        match await self._bus.receive():
            case AgentRequest() as ask if ask.id not in self._serving:  # the store may deliver a message twice
                self._serving.add(ask.id)
                self._requests.start_once(Task.AGENT_REQUEST, self._serve(ask), agent=ask.agent.agent)
            case AgentReply() as reply if pending := self._pending.get(reply.id):
                if reply.refused:
                    pending.fail(_error(reply.refused))
                elif not pending.reply.done():
                    pending.reply.set_result(reply)

    def _update(self, others: Mapping[str, Sequence[RemoteAgent]]) -> None:
        """These are the agents of other processes, and there are no others; attempts by those that are gone are
        lost."""
        now: dict[_Key, _Remote] = {}
        for process, held in others.items():
            for each in held:
                key, known = _key(each.agent), now.get(_key(each.agent))
                if known is None or known.held.since < each.since:
                    now[key] = _Remote(process, each)
        for key, remote in now.items():
            before = self._remotes.get(key)
            if before and (before.process, before.held) == (remote.process, remote.held):
                now[key] = before
        self._remotes = now
        for pending in self._pending.values():
            current = now.get(_key(pending.agent))
            if current is None or current.process != pending.process:
                pending.fail(agent_lost(pending.agent))

    def _forget_stale(self) -> None:
        """Without the store, remote agents are forgotten after a while."""
        if self._monotonic() - self._refreshed_at > TTL_SECONDS:
            self._update({})

    def _remote(self, mesh: str, agent: AgentInfo) -> _Remote | None:
        """The agent in another process; None if its newest stream is here."""
        session = self._local.session(mesh, agent)
        remote = self._remotes.get(_key(agent)) if mesh == self._mesh else None
        return None if remote and session and session.held.since >= remote.held.since else remote

    async def _request(self, remote: _Remote, attempt: Attempt, *, evaluates: bool = False) -> AgentReply:
        process, agent = remote.process, remote.held.agent
        timeout = MAX_QUEUED * (attempt.timeout + GRACE_SECONDS)
        id_ = self._ids()
        pending = self._pending[id_] = _Pending(process, agent, asyncio.get_running_loop().create_future())
        remote.asked, remote.last_turn = remote.asked + 1, next(self._turns)
        try:
            async with asyncio.timeout(timeout):
                request = AgentRequest(id_, self._process, agent, attempt, timeout, evaluates)
                if not await self._bus.ask(process, request):
                    raise agent_lost(agent)
                return await pending.reply
        except TimeoutError:
            raise agent_not_responding(agent) from None
        finally:
            remote.asked -= 1
            del self._pending[id_]

    async def _serve(self, ask: AgentRequest) -> None:
        """Makes an attempt for another process."""
        try:
            await self._answer(ask)
        finally:
            self._serving.discard(ask.id)

    async def _answer(self, ask: AgentRequest) -> None:
        try:
            async with asyncio.timeout(ask.left):
                if ask.evaluates:
                    report = await self._local.evaluate(self._mesh, ask.agent, ask.attempt)
                    reply = AgentReply(ask.id, report=report)
                else:
                    reply = AgentReply(ask.id, await self._local.attempt(self._mesh, ask.agent, ask.attempt))
        except TimeoutError:
            return
        except EgressError as error:
            refused = AgentRefusal(error.code, error.reason, error.message, error.metadata, error.retry_after)
            reply = AgentReply(ask.id, refused=refused)
        try:
            await self._bus.answer(ask.sender, reply)
        except EgressError as error:
            _log.warning("reply_not_sent", agent=ask.agent.agent, reason=error.reason)


def _error(refused: AgentRefusal) -> EgressError:
    kind = _ERRORS.get(refused.code, Unavailable)
    return kind(refused.message, reason=refused.reason, metadata=refused.metadata, retry_after=refused.retry_after)


def _key(info: AgentInfo) -> _Key:
    return info.cluster, info.namespace, info.agent
