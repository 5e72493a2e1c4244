"""The port AgentBus on Redis: for each process a hash that expires, with its agents, and a list, its inbox.

All of it may be lost at any moment: every process publishes again within seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import msgspec

from egress_server.ports.agent_bus import AgentReply, AgentRequest, RemoteAgent
from egress_server.store import scripts
from egress_server.store.keys import MeshKeys
from egress_server.store.redis.connection import RedisConnection

_WAIT_SECONDS = 2
"""How long one blocked read waits; shorter than protocol.STALL_SECONDS."""
_INBOX_SECONDS = 60.0
"""How long an unread inbox is kept after its last message."""

_encode = msgspec.json.Encoder().encode
_agents_decoder = msgspec.json.Decoder(tuple[RemoteAgent, ...])
_request_decoder = msgspec.json.Decoder(AgentRequest)
_reply_decoder = msgspec.json.Decoder(AgentReply)


class RedisAgentBus:
    """See ports.agent_bus.AgentBus. `inbox` must be a separate connection: it spends its time in blocked reads."""

    def __init__(self, connection: RedisConnection, inbox: RedisConnection, mesh: str, process: str) -> None:
        self._connection = connection
        self._inbox = inbox
        self._keys = MeshKeys(mesh)
        self._process = process
        self._versions = count(1)
        self._published = b""
        self._version = 0
        self._known: dict[str, tuple[bytes, Sequence[RemoteAgent]]] = {}

    async def publish(self, held: Sequence[RemoteAgent], ttl: float) -> None:
        """See the port. One script."""
        if not held:
            await self._withdraw()
            return
        sessions = _encode(held)
        if sessions == self._published and await self._publish(b"", ttl):
            return
        self._version = next(self._versions)
        await self._publish(sessions, ttl)
        self._published = sessions

    async def others(self) -> Mapping[str, Sequence[RemoteAgent]]:
        """See the port. One read if there are none, else two and one more for each process that changed."""
        keys, call = self._keys, self._connection.call
        members: list[bytes] = await call("SMEMBERS", keys.processes)
        others = sorted({member.decode() for member in members} - {self._process})
        reads = [("HGET", keys.sessions(process), "version") for process in others]
        versions = await self._connection.read_together(*reads) if others else []
        current: dict[str, tuple[bytes, Sequence[RemoteAgent]]] = {}
        for process, version in zip(others, versions, strict=True):
            known = self._known.get(process)
            if known is not None and known[0] == version:
                current[process] = known
            elif version is not None and (sessions := await call("HGET", keys.sessions(process), "sessions")):
                current[process] = version, _agents_decoder.decode(sessions)
            else:
                await call("SREM", keys.processes, process)
        self._known = current
        return {process: held for process, (_, held) in current.items()}

    async def ask(self, process: str, ask: AgentRequest) -> bool:
        """See the port."""
        keys = (self._keys.inbox(process), self._keys.sessions(process))
        arguments = (int(_INBOX_SECONDS * 1000), _encode(ask), int(ask.left * 1000))
        return bool(await self._connection.run(scripts.POST, keys, *arguments))

    async def answer(self, process: str, answer: AgentReply) -> None:
        """See the port."""
        arguments = (int(_INBOX_SECONDS * 1000), _encode(answer))
        await self._connection.run(scripts.POST, (self._keys.inbox(process),), *arguments)

    async def receive(self) -> AgentRequest | AgentReply | None:
        """See the port."""
        popped: list[bytes] | None = await self._inbox.call("BLPOP", self._keys.inbox(self._process), _WAIT_SECONDS)
        if popped is None:
            return None
        message = popped[1]
        if message.startswith(b"{"):
            return _reply_decoder.decode(message)
        until_ms, _, ask = message.partition(b" ")
        seconds, microseconds = await self._connection.call("TIME")
        left_ms = int(until_ms) - int(seconds) * 1000 - int(microseconds) // 1000
        return replace(_request_decoder.decode(ask), left=left_ms / 1000) if left_ms > 0 else None

    async def _publish(self, sessions: bytes, ttl: float) -> bool:
        keys = (self._keys.processes, self._keys.sessions(self._process))
        arguments = (self._process, int(ttl * 1000), self._version, sessions)
        return bool(await self._connection.run(scripts.PUBLISH, keys, *arguments))

    async def _withdraw(self) -> None:
        if self._published:
            await self._connection.call("DEL", self._keys.sessions(self._process))
            await self._connection.call("SREM", self._keys.processes, self._process)
            self._published = b""
