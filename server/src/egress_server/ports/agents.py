"""What commands and verification need of the agents in workloads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from egress_server.domain.live.decision import LiveReport
from egress_server.domain.probe.evidence import Attempt, Evidence


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An attached agent. `cluster` is an id, `labels` are its workload's."""

    agent: str
    cluster: str
    namespace: str
    workload_cluster: str
    version: str
    labels: dict[str, str] = field(default_factory=dict)


class AgentSessions(Protocol):
    """The agents that are attached now."""

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """Agents of a cluster; of one namespace if given."""

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The one of them to ask next, which is the least busy; None if there is none."""

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """Makes one connection from the agent.

        Raises Unavailable AGENT_LOST, ResourceExhausted AGENT_BUSY (8 are queued), DeadlineExceeded
        AGENT_NOT_RESPONDING.
        """

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """What the configuration of the agent's sidecar does with such a connection, which is not made. It holds for
        workloads with the agent's namespace and labels. Raises what `attempt` does; an agent that is too old to know
        evaluations does not respond.
        """
