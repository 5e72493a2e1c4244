"""Agents of all processes over one store as if they were attached here: what verification and Probe see where there
is more than one process.

Each process tells the others which agents it holds and makes the attempts that they ask for. Agents that are attached
here are asked directly, and go on working while the store is away; those of others are then soon no longer seen.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from egress_server.agents.sessions.sessions import GRACE_SECONDS, MOST_QUEUED, Sessions, lost, silent
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.errors import DeadlineExceeded, EgressError, ResourceExhausted, Unavailable
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agent_bus import AgentBus, AgentRefusal, AgentReply, AgentRequest, RemoteAgent
from egress_server.ports.agents import AgentInfo
from egress_server.ports.clock import Ids, Monotonic

_log = structlog.get_logger(__name__)

TTL_SECONDS = 10.0
"""How long others believe what they heard last: what it takes them to notice that a process has died."""
_REFRESH_SECONDS = 3.0
_LOOK_SECONDS = 0.5
_FAREWELL_SECONDS = 1.0

_ERRORS = {error.code: error for error in (Unavailable, ResourceExhausted, DeadlineExceeded)}
_Key = tuple[str, str, str]


@dataclass(eq=False, slots=True)
class _Remote:
    """An agent of another process. `asked` counts our own attempts that it has to make."""

    process: str
    held: RemoteAgent
    asked: int = 0
    last_turn: int = 0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An attempt that another process makes for us."""

    process: str
    agent: AgentInfo
    reply: asyncio.Future[Evidence]

    def fail(self, error: EgressError) -> None:
        """Ends it with an error, unless it has an answer. Perhaps nobody listens any more."""
        if not self.reply.done():
            self.reply.set_exception(error)
            self.reply.exception()


class AgentRouter:
    """See ports.agents.AgentSessions. `process` names this one; of meshes other than `mesh` only `local` is seen."""

    def __init__(
        self,
        local: Sessions,
        board: AgentBus,
        *,
        mesh: str,
        process: str,
        ids: Ids,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._local = local
        self._board = board
        self._mesh = mesh
        self._process = process
        self._ids = ids
        self._monotonic = monotonic
        self._remotes: dict[_Key, _Remote] = {}
        self._heard_at = 0.0
        self._turns = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
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
        here = self._local.choose(mesh, cluster, namespace)
        there = min(self._of(mesh, cluster, namespace), key=lambda r: (r.asked, r.last_turn), default=None)
        if here is None or there is None:
            return there.held.agent if there else here
        session = self._local.session(mesh, here)
        return there.held.agent if session and there.asked < session.queued else here

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """See the port. Of an agent at another process also raises Unavailable STORE_UNAVAILABLE."""
        session = self._local.session(mesh, agent)
        remote = self._remotes.get(_key(agent)) if mesh == self._mesh else None
        if remote is None or (session and session.held.since >= remote.held.since):
            return await self._local.attempt(mesh, agent, attempt)
        remote.asked, remote.last_turn = remote.asked + 1, next(self._turns)
        try:
            return await self._ask(remote.process, agent, attempt)
        finally:
            remote.asked -= 1

    def start(self) -> None:
        """Keeps in step with the other processes until `close`."""
        for task, step in (
            (Task.AGENT_PUBLISHER, self._tell),
            (Task.AGENT_DIRECTORY, self._look),
            (Task.AGENT_INBOX, self._receive),
        ):
            self._tasks.start(task, partial(self._forever, step), expected=(EgressError,))

    async def close(self) -> None:
        """Withdraws this process's agents from the others."""
        await self._tasks.close()
        await self._requests.close()
        with suppress(EgressError, TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self._board.publish((), TTL_SECONDS)

    def _of(self, mesh: str, cluster: str, namespace: str) -> list[_Remote]:
        if mesh != self._mesh:
            return []
        agents = [(remote, remote.held.agent) for remote in self._remotes.values()]
        return [r for r, agent in agents if agent.cluster == cluster and namespace in {"", agent.namespace}]

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            while True:
                await step()
        except Exception:
            self._forget_the_old()
            raise

    async def _tell(self) -> None:
        self._local.changed.clear()
        await self._board.publish(self._local.held(self._mesh), TTL_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(_REFRESH_SECONDS):
                await self._local.changed.wait()

    async def _look(self) -> None:
        self._take(await self._board.others())
        self._heard_at = self._monotonic()
        await asyncio.sleep(_LOOK_SECONDS)

    async def _receive(self) -> None:
        match await self._board.receive():
            case AgentRequest() as ask if ask.id not in self._serving:  # the store may hand a message on twice
                self._serving.add(ask.id)
                self._requests.start_once(Task.AGENT_REQUEST, self._serve(ask), agent=ask.agent.agent)
            case AgentReply() as answer if waiting := self._waiting.get(answer.id):
                if answer.refused:
                    waiting.fail(_error(answer.refused))
                elif answer.evidence and not waiting.reply.done():
                    waiting.reply.set_result(answer.evidence)

    def _take(self, others: Mapping[str, Sequence[RemoteAgent]]) -> None:
        """These agents are at other processes, and no others; attempts by those that are gone are lost."""
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
        for waiting in self._waiting.values():
            there = now.get(_key(waiting.agent))
            if there is None or there.process != waiting.process:
                waiting.fail(lost(waiting.agent))

    def _forget_the_old(self) -> None:
        """Without the store nobody tells us who is still there."""
        if self._monotonic() - self._heard_at > TTL_SECONDS:
            self._take({})

    async def _ask(self, process: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        left = MOST_QUEUED * (attempt.timeout + GRACE_SECONDS)
        id_ = self._ids()
        waiting = self._waiting[id_] = _Waiting(process, agent, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(left):
                if not await self._board.ask(process, AgentRequest(id_, self._process, agent, attempt, left)):
                    raise lost(agent)
                return await waiting.reply
        except TimeoutError:
            raise silent(agent) from None
        finally:
            del self._waiting[id_]

    async def _serve(self, ask: AgentRequest) -> None:
        """Makes an attempt for another process."""
        try:
            await self._answer(ask)
        finally:
            self._serving.discard(ask.id)

    async def _answer(self, ask: AgentRequest) -> None:
        try:
            async with asyncio.timeout(ask.left):
                answer = AgentReply(ask.id, await self._local.attempt(self._mesh, ask.agent, ask.attempt))
        except TimeoutError:
            return
        except EgressError as error:
            refused = AgentRefusal(error.code, error.reason, error.message, error.metadata, error.retry_after)
            answer = AgentReply(ask.id, refused=refused)
        try:
            await self._board.answer(ask.sender, answer)
        except EgressError as error:
            _log.warning("attempt_not_answered", agent=ask.agent.agent, reason=error.reason)


def _error(refused: AgentRefusal) -> EgressError:
    kind = _ERRORS.get(refused.code, Unavailable)
    return kind(refused.message, reason=refused.reason, metadata=refused.metadata, retry_after=refused.retry_after)


def _key(info: AgentInfo) -> _Key:
    return info.cluster, info.namespace, info.agent
