"""What a process needs of the others over the same store to reach the agents that are attached to them.

A process is named by an id of its own, new with each start. Messages are for the moment: one that gets lost is noticed
by whoever waits for its answer, and nothing is kept for a process that is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from egress_server.domain.model.errors import Code
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agents import AgentInfo


@dataclass(frozen=True, slots=True)
class RemoteAgent:
    """An agent whose stream a process holds, since when (seconds since 1970): of two streams of one agent the younger
    is the living one."""

    agent: AgentInfo
    since: float


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """Please have `agent` make an attempt, and tell `sender`. After `left` seconds nobody waits for it any more."""

    id: str
    sender: str
    agent: AgentInfo
    attempt: Attempt
    left: float


@dataclass(frozen=True, slots=True)
class AgentRefusal:
    """An error of another process, as a caller may see it."""

    code: Code
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What came of the Ask of this id: one of the two."""

    id: str
    evidence: Evidence | None = None
    refused: AgentRefusal | None = None


class AgentBus(Protocol):
    """The processes of one mesh. Every method raises Unavailable while the store can't be reached."""

    async def publish(self, held: Sequence[RemoteAgent], ttl: float) -> None:
        """Tells the others which agents this process holds; they believe it for `ttl` seconds. Cheap where nothing has
        changed since the last time. With none, the others forget this process at once."""

    async def others(self) -> Mapping[str, Sequence[RemoteAgent]]:
        """What the other processes hold, by process. What has not changed since the last time is the same object."""

    async def ask(self, process: str, ask: AgentRequest) -> bool:
        """Hands a request to a process; False where it is gone."""

    async def answer(self, process: str, answer: AgentReply) -> None:
        """Hands an answer to a process, which may be gone."""

    async def receive(self) -> AgentRequest | AgentReply | None:
        """The next message for this process, or None after a moment without one. An Ask that nobody waits for any more
        is not handed out."""
