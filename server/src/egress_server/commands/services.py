"""What every command gets: the ports, and the caller."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from egress_server.aio.waiting import KeyedLocks
from egress_server.commands.change_broadcaster import ChangeBroadcaster
from egress_server.domain.model.errors import NotFound
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Ids
from egress_server.ports.identity import Principal, Sealer
from egress_server.ports.store import Replica, Store


@dataclass(frozen=True, slots=True)
class Services:
    """The ports that commands use. `replicas` and `feeds` are by mesh ID."""

    store: Store
    replicas: Mapping[str, Replica]
    agents: AgentSessions
    ids: Ids
    clock: Clock
    sealer: Sealer
    locks: KeyedLocks = field(default_factory=KeyedLocks)
    feeds: dict[str, ChangeBroadcaster] = field(default_factory=dict)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _waits: set[asyncio.Timeout] = field(init=False, default_factory=set)

    def replica(self, mesh: str) -> Replica:
        """This process's copy of a mesh. Raises NotFound MESH_NOT_FOUND."""
        replica = self.replicas.get(mesh)
        if replica is None:
            raise NotFound(f"mesh {mesh!r} does not exist", reason="MESH_NOT_FOUND", metadata={"mesh": mesh})
        return replica

    def feed(self, mesh: str) -> ChangeBroadcaster:
        """The events of a mesh, for watchers. Raises NotFound MESH_NOT_FOUND."""
        replica = self.replica(mesh)
        if mesh not in self.feeds:
            self.feeds[mesh] = ChangeBroadcaster(self.store, replica, mesh)
        return self.feeds[mesh]

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError after `seconds`, or immediately when the process stops: the caller then returns the state
        reached."""
        async with asyncio.timeout(0.0 if self.stopping.is_set() else seconds) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    def end_streams(self) -> None:
        """Ends all streams and waits, because the process is stopping."""
        self.stopping.set()
        for mesh in self.replicas:
            self.feed(mesh).close()
        for wait in [wait for wait in self._waits if not wait.expired()]:
            wait.reschedule(asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls which method.

    `deadline` is a time.monotonic() value, None if there is no deadline. `traceparent` is the W3C header for work that
    the call causes; empty if the call is not sampled.
    """

    principal: Principal
    method: str
    trace_id: str = ""
    deadline: float | None = None
    traceparent: str = ""
