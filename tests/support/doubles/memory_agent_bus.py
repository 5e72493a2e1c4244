"""The in-memory agent bus of the tests: the port AgentBus, in the running loop's time.

tests/contract/store/test_agent_bus.py runs over it and over real servers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from egress_server.domain.model.errors import Unavailable
from egress_server.ports.agent_bus import AgentReply, AgentRequest, RemoteAgent

_WAIT_SECONDS = 2.0
"""How long `receive` waits."""

Message = AgentReply | tuple[float, AgentRequest]
"""A reply, or a request with the time at which it is over."""


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Exchange:
    """What the processes share. `down` makes it unreachable; processes that are `deaf` get no messages."""

    down: bool = False
    deaf: set[str] = field(default_factory=set)
    held: dict[str, tuple[float, Sequence[RemoteAgent]]] = field(default_factory=dict)
    inboxes: dict[str, asyncio.Queue[Message]] = field(default_factory=dict)


class MemoryAgentBus:
    """See ports.agent_bus.AgentBus. A `dead` process reaches nothing."""

    def __init__(self, exchange: Exchange, process: str) -> None:
        self._exchange = exchange
        self._process = process
        self._inbox = exchange.inboxes[process] = asyncio.Queue()
        self.dead = False

    async def publish(self, held: Sequence[RemoteAgent], ttl: float) -> None:
        """See the port."""
        self._reach()
        known = self._exchange.held
        if not held:
            known.pop(self._process, None)
            return
        _, before = known.get(self._process, (0.0, ()))
        known[self._process] = _now() + ttl, before if tuple(before) == tuple(held) else tuple(held)

    async def others(self) -> Mapping[str, Sequence[RemoteAgent]]:
        """See the port."""
        self._reach()
        now = _now()
        found = self._exchange.held.items()
        return {process: held for process, (until, held) in found if process != self._process and until > now}

    async def ask(self, process: str, ask: AgentRequest) -> bool:
        """See the port."""
        self._reach()
        until, _ = self._exchange.held.get(process, (0.0, ()))
        if until <= _now():
            return False
        self._post(process, (_now() + ask.left, ask))
        return True

    async def answer(self, process: str, answer: AgentReply) -> None:
        """See the port."""
        self._reach()
        self._post(process, answer)

    async def receive(self) -> AgentRequest | AgentReply | None:
        """See the port."""
        self._reach()
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                message = await self._inbox.get()
        except TimeoutError:
            return None
        if isinstance(message, AgentReply):
            return message
        until, request = message
        left = until - _now()
        return replace(request, left=left) if left > 0 else None

    def _post(self, process: str, message: Message) -> None:
        inbox = self._exchange.inboxes.get(process)
        if inbox is not None and process not in self._exchange.deaf:
            inbox.put_nowait(message)

    def _reach(self) -> None:
        if self._exchange.down or self.dead:
            raise Unavailable("no store", reason="STORE_UNAVAILABLE")
