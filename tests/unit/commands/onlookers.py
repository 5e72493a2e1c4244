"""What queries of a mesh need: desired state, records of clusters, and agents that a test speaks for."""

# ruff: noqa: ARG002 # a port names its arguments, whether a stand-in looks at them or not

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from egress_server.commands.services import Caller, Services
from egress_server.domain.probe import Attempt, Evidence
from egress_server.domain.resources import Resource
from egress_server.domain.rollout import ClusterStatus, Phase
from egress_server.domain.snapshot import Snapshot
from egress_server.ports.agents import AgentInfo
from egress_server.ports.identity import Principal
from tests.support.meshes import BIRTH, History, cluster

AGENT = AgentInfo("curl-0", "east", "default", "", "0.1.0", {"app": "curl"})
Answer = Callable[[Attempt], Awaitable[Evidence]]


def caller(deadline: float | None = None) -> Caller:
    """Somebody."""
    return Caller(Principal("user:me"), "test", deadline=deadline)


@dataclass
class Agents:
    """One agent; its answers are a test's."""

    answer: Answer
    info: AgentInfo | None = AGENT
    asked: list[Attempt] = field(default_factory=list)

    def attached(self, mesh: str, cluster: str, namespace: str = "") -> Sequence[AgentInfo]:
        """The one."""
        return [self.info] if self.info else []

    def choose(self, mesh: str, cluster: str, namespace: str = "") -> AgentInfo | None:
        """The one."""
        return self.info

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """What the test answers."""
        self.asked.append(attempt)
        return await self.answer(attempt)


@dataclass
class Replica:
    """A copy that changes only when a test says so."""

    history: History
    statuses: dict[str, ClusterStatus] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot:
        """Desired state."""
        return self.history.snapshot

    @contextmanager
    def watch(self) -> Any:
        """Nothing ever happens."""

        async def silence() -> AsyncIterator[None]:
            await asyncio.Event().wait()
            yield None

        yield silence()


async def nobody(attempt: Attempt) -> Evidence:
    """An agent that must not be asked."""
    raise AssertionError(attempt)


def services(*resources: Resource, agents: Agents | None = None) -> Services:
    """A mesh with the cluster east, which holds its last revision."""
    history = History(cluster(), *resources)
    replica = Replica(history, {"east": ClusterStatus("east", Phase.SETTLED, history.snapshot.revision)})
    return Services(
        store=cast(Any, None),
        replicas=cast(Any, {"default": replica}),
        agents=agents or Agents(nobody),
        ids=lambda: "id",
        clock=lambda: BIRTH,
    )
