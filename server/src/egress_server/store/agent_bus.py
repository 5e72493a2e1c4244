"""The port Switchboard on Redis: a hash with an end for the agents of each process, and a list as its inbox.

All of it may get lost at any moment: who is there tells so again within seconds.
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
"""How long one blocked read waits; shorter than what a connection takes for silence."""
_INBOX_SECONDS = 60.0
"""How long an inbox that nobody empties is kept, from its last message."""

_encode = msgspec.json.Encoder().encode
_held_decoder = msgspec.json.Decoder(tuple[RemoteAgent, ...])
_ask_decoder = msgspec.json.Decoder(AgentRequest)
_answer_decoder = msgspec.json.Decoder(AgentReply)


class RedisAgentBus:
    """See ports.switchboard.Switchboard. `inbox` must be a connection of its own: it spends its time in blocked
    reads."""

    def __init__(self, connection: RedisConnection, inbox: RedisConnection, mesh: str, process: str) -> None:
        self._connection = connection
        self._inbox = inbox
        self._keys = MeshKeys(mesh)
        self._process = process
        self._versions = count(1)
        self._told = b""
        self._version = 0
        self._known: dict[str, tuple[bytes, Sequence[RemoteAgent]]] = {}

    async def publish(self, held: Sequence[RemoteAgent], ttl: float) -> None:
        """See the port. One script."""
        if not held:
            await self._withdraw()
            return
        sessions = _encode(held)
        if sessions == self._told and await self._publish(b"", ttl):
            return
        self._version = next(self._versions)
        await self._publish(sessions, ttl)
        self._told = sessions

    async def others(self) -> Mapping[str, Sequence[RemoteAgent]]:
        """See the port. One read where there are none, else two and one more for each that changed."""
        keys, call = self._keys, self._connection.call
        members: list[bytes] = await call("SMEMBERS", keys.processes)
        others = sorted({member.decode() for member in members} - {self._process})
        reads = [("HGET", keys.sessions(process), "version") for process in others]
        versions = await self._connection.read_at_once(*reads) if others else []
        now: dict[str, tuple[bytes, Sequence[RemoteAgent]]] = {}
        for process, version in zip(others, versions, strict=True):
            known = self._known.get(process)
            if version is None:
                await call("SREM", keys.processes, process)
            elif known is not None and known[0] == version:
                now[process] = known
            elif sessions := await call("HGET", keys.sessions(process), "sessions"):
                now[process] = version, _held_decoder.decode(sessions)
        self._known = now
        return {process: held for process, (_, held) in now.items()}

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
            return _answer_decoder.decode(message)
        until_ms, _, ask = message.partition(b" ")
        seconds, microseconds = await self._connection.call("TIME")
        left_ms = int(until_ms) - int(seconds) * 1000 - int(microseconds) // 1000
        return replace(_ask_decoder.decode(ask), left=left_ms / 1000) if left_ms > 0 else None

    async def _publish(self, sessions: bytes, ttl: float) -> bool:
        keys = (self._keys.processes, self._keys.sessions(self._process))
        arguments = (self._process, int(ttl * 1000), self._version, sessions)
        return bool(await self._connection.run(scripts.PUBLISH, keys, *arguments))

    async def _withdraw(self) -> None:
        if self._told:
            await self._connection.call("DEL", self._keys.sessions(self._process))
            await self._connection.call("SREM", self._keys.processes, self._process)
            self._told = b""
