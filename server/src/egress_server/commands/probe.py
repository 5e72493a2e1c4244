"""The `curl -I` of the document, with a verdict: an agent connects, evidence decides, policy is held against it."""

import asyncio
from dataclasses import dataclass

from egress_server.commands.services import Caller, Services
from egress_server.domain.effective import effective
from egress_server.domain.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound, Violation
from egress_server.domain.expect import expect
from egress_server.domain.names import Name
from egress_server.domain.probe import Attempt, Evidence, Expectation, Verdict, is_disturbed, judge
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Replica

MAX_TRIES = 3
MAX_WAIT = 60.0  # seconds for a revision to be applied; the call's own deadline holds as well
# What the agent refuses because of the request; its other troubles make a probe inconclusive.
_REFUSALS = frozenset({"ADDRESS_FORBIDDEN", "METHOD_FORBIDDEN", "REQUEST_INVALID"})


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask from a workload in `namespace` (empty: any) of `cluster`, once it holds `min_applied_revision`."""

    cluster: Name
    namespace: str
    attempt: Attempt
    min_applied_revision: int = 0

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What happened, what should have, and what was seen."""

    agent: AgentInfo
    attempt: Attempt
    evidence: Evidence
    verdict: Verdict
    expected: Expectation
    applied_revision: int

    @property
    def agrees(self) -> bool:
        """Whether the outcome is the expected one."""
        return self.verdict.outcome is self.expected.outcome


async def probe(services: Services, caller: Caller, query: Probe) -> ProbeResult:
    """Runs a probe.

    Raises NotFound CLUSTER_NOT_FOUND, FailedPrecondition NO_AGENT, InvalidArgument ADDRESS_FORBIDDEN, and what the
    agent's session raises.
    """
    replica = services.replica(query.cluster.mesh)
    cluster = replica.snapshot.cluster(query.cluster.id)
    if cluster is None:
        raise NotFound(
            f"{query.cluster} is not registered",
            reason="CLUSTER_NOT_FOUND",
            metadata={"cluster": str(query.cluster)},
        )
    await _wait_applied(replica, query)
    agent = _choose_agent(services, query)
    evidence, verdict = await _attempt(services, query, agent)
    status = replica.statuses.get(cluster.id)
    wanted = effective(replica.snapshot, cluster)
    return ProbeResult(
        agent=agent,
        attempt=query.attempt,
        evidence=evidence,
        verdict=verdict,
        expected=expect(wanted, agent.namespace, query.attempt.destination, agent.labels),
        applied_revision=status.applied_revision if status else 0,
    )


async def _attempt(services: Services, query: Probe, agent: AgentInfo) -> tuple[Evidence, Verdict]:
    """Asks again while other traffic disturbs the counters."""
    for _ in range(MAX_TRIES):
        evidence = await services.agents.attempt(query.cluster.mesh, agent, query.attempt)
        if evidence.refused in _REFUSALS:
            raise InvalidArgument(
                f"the agent refused: {evidence.refused_message}",
                reason=evidence.refused,
                metadata={"agent": agent.agent},
                violations=(Violation("url", evidence.refused_message),),
            )
        verdict = judge(query.attempt.destination, evidence)
        if not is_disturbed(verdict):
            break
    return evidence, verdict


def _choose_agent(services: Services, query: Probe) -> AgentInfo:
    agent = services.agents.choose(query.cluster.mesh, query.cluster.id, query.namespace)
    if agent is None:
        where = f"namespace {query.namespace} of {query.cluster.id}" if query.namespace else query.cluster.id
        raise FailedPrecondition(
            f"no agent is attached from {where}; start one beside a workload there",
            reason="NO_AGENT",
            metadata={"cluster": query.cluster.id, "namespace": query.namespace},
            retry_after=1.0,
        )
    return agent


async def _wait_applied(replica: Replica, query: Probe) -> None:
    if not query.min_applied_revision:
        return
    with replica.watch() as wakeups:
        try:
            async with asyncio.timeout(MAX_WAIT):
                while _applied(replica, query) < query.min_applied_revision:
                    await anext(wakeups)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{query.cluster.id} holds revision {_applied(replica, query)}, not yet {query.min_applied_revision}",
                reason="NOT_APPLIED_YET",
                metadata={"cluster": query.cluster.id, "applied_revision": str(_applied(replica, query))},
            ) from None


def _applied(replica: Replica, query: Probe) -> int:
    status = replica.statuses.get(query.cluster.id)
    return status.applied_revision if status else 0
