"""How processes over one store reach the agents that are attached to the others.

Each process has an id, new with each start. Messages are not durable: a lost one is noticed by the process that waits
for its reply, and nothing is kept for a process that is gone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import Code
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.ports.agents import AgentInfo


@dataclass(frozen=True, slots=True)
class RemoteAgent:
    """An agent whose stream a process holds, and since when (seconds since 1970): of two streams of one agent the newer
    one is alive."""

    agent: AgentInfo
    since: float


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """A request of process `sender` for an attempt by `agent`, which it awaits for `left` more seconds; with
    `evaluates`, for an evaluation instead."""

    id: str
    sender: str
    agent: AgentInfo
    attempt: Attempt
    left: float
    evaluates: bool = False


@dataclass(frozen=True, slots=True)
class AgentRefusal:
    """An error in another process, as a caller may see it."""

    code: Code
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class AgentReply:
    """The reply to the request with this id: evidence, a report or a refusal."""

    id: str
    evidence: Evidence | None = None
    refused: AgentRefusal | None = None
    report: LiveReport | None = None


class AgentBus(Protocol):
    """The processes of one mesh. Every method raises Unavailable while the store can't be reached."""

    async def publish(self, held: Sequence[RemoteAgent], ttl: float) -> None:
        """Tells the others which agents this process holds; they believe it for `ttl` seconds. Cheap if nothing has
        changed since the last call. With none, the others forget this process immediately."""

    async def others(self) -> Mapping[str, Sequence[RemoteAgent]]:
        """What the other processes hold, by process. What has not changed since the last call is the same object."""

    async def ask(self, process: str, ask: AgentRequest) -> bool:
        """Sends a request to a process; False if that is gone."""

    async def answer(self, process: str, answer: AgentReply) -> None:
        """Sends a reply to a process, which may be gone."""

    async def receive(self) -> AgentRequest | AgentReply | None:
        """The next message for this process, or None after a moment without one. Requests that are no longer awaited
        are skipped."""
