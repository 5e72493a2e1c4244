"""What callers are told of an agent that can't be asked, wherever that is found out."""

from egress_server.domain.errors import DeadlineExceeded, ResourceExhausted, Unavailable
from egress_server.ports.agents import AgentInfo

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
    return DeadlineExceeded(f"agent {agent.agent} does not answer", reason="AGENT_SILENT")
