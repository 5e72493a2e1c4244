"""Probes a destination: an agent connects, the evidence is judged, and the verdict is compared with policy."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from egress_server.commands.applied_state import AppliedState, State, applied_state
from egress_server.commands.cluster_view import find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.errors import (
    DeadlineExceeded,
    EgressError,
    FailedPrecondition,
    InvalidArgument,
    Violation,
)
from egress_server.domain.model.limits import MAX_APPLIED_WAIT
from egress_server.domain.model.names import Name
from egress_server.domain.probe.agreement import Agreement, ProbeSummary, compare, summarize
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.domain.probe.judge import is_disturbed, judge
from egress_server.domain.probe.verdicts import Cause, Expectation, Quantiles, Verdict, quantiles
from egress_server.domain.simulate.evaluate import predict
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Replica

MAX_TRIES = 3
_REPLY_SECONDS = 0.25  # time of a call reserved for returning the response
# Refusals caused by the request. An agent's other problems make a probe inconclusive.
_REFUSALS = frozenset({"ADDRESS_FORBIDDEN", "METHOD_FORBIDDEN", "REQUEST_INVALID", "RESOLVE_UNUSED"})


@dataclass(frozen=True, slots=True)
class Probe:
    """Make `count` attempts from a workload in `namespace` of `cluster`, after it has applied `min_applied_revision`.
    An empty namespace means any."""

    cluster: Name
    namespace: str
    attempt: Attempt
    min_applied_revision: int = 0
    count: int = 1

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class JudgedAttempt:
    """An attempt with its verdict."""

    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What happened, what was expected, and the evidence. `cut_short` is why there are fewer attempts than requested,
    if there are."""

    agent: AgentInfo
    attempt: Attempt
    attempts: tuple[JudgedAttempt, ...]
    summary: ProbeSummary
    quantiles: Quantiles | None
    expected: Expectation
    applied_revision: int
    cut_short: tuple[Cause, ...] = ()


async def probe(services: Services, caller: Caller, query: Probe) -> ProbeResult:
    """Runs a probe. At the deadline of the call it returns the attempts made so far.

    Raises NotFound CLUSTER_NOT_FOUND, FailedPrecondition NO_AGENT, InvalidArgument ADDRESS_FORBIDDEN, and, before the
    first attempt is complete, what the agent's session raises.
    """
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    await _wait_applied(services, replica, query)
    agent = _choose_agent(services, query)
    # From before the attempts: a fault may expire, or a policy may change, while a request waits.
    before = await applied_state(services, replica, cluster)
    made: list[JudgedAttempt] = []
    cut_short = await _attempts(services, caller, query, agent, made)
    after = await applied_state(services, replica, cluster)

    def expected_by(state: State) -> Expectation:
        return _expected(state.view, agent, query.attempt, made[0].evidence)

    expected = expected_by(before.applied or before.desired)
    summary = summarize([each.verdict for each in made], expected)
    if before.is_behind or after.is_behind:
        allowed = (expected, expected_by(before.desired), expected_by(after.desired))
        summary = _judge_behind(summary, [m.verdict for m in made], allowed, before, after)
    return ProbeResult(
        agent=agent,
        attempt=query.attempt,
        attempts=tuple(made),
        summary=summary,
        quantiles=quantiles(m.evidence.timings.total or 0.0 for m in made if m.evidence.answered),
        expected=expected,
        applied_revision=_applied(replica, query),
        cut_short=cut_short,
    )


def _judge_behind(
    summary: ProbeSummary,
    verdicts: Sequence[Verdict],
    allowed: Sequence[Expectation],
    before: AppliedState,
    after: AppliedState,
) -> ProbeSummary:
    """The summary if the cluster had not applied everything that concerns it before or after the attempts. It is judged
    by what was applied. If that is not known, or if verdicts agree only with desired state, agreement is unknown."""
    unknown = before.applied is None or after.applied is None
    differs = [all(compare(each, v).agreement is Agreement.DIFFERS for each in allowed) for v in verdicts]
    if unknown or (summary.agreement is Agreement.DIFFERS and not any(differs)):
        summary = replace(summary, agreement=Agreement.UNKNOWN)
    cause = Cause("CLUSTER_BEHIND", "the cluster has not applied the newest policy", before.describe())
    return replace(summary, causes=(cause, *summary.causes))


async def _attempts(
    services: Services, caller: Caller, query: Probe, agent: AgentInfo, made: list[JudgedAttempt]
) -> tuple[Cause, ...]:
    """Makes the attempts one after the other and adds them to `made`. Returns why there are fewer than requested."""
    left = None if caller.deadline is None else caller.deadline - time.monotonic() - _REPLY_SECONDS
    try:
        async with asyncio.timeout(left if query.count > 1 else None):
            while len(made) < query.count:
                made.append(await _attempt(services, query, agent))
    except TimeoutError:
        if not made:
            raise DeadlineExceeded("the deadline expired before an attempt was complete") from None
        cause = "the deadline of the call expired"
    except EgressError as error:
        if not made:
            raise
        cause = f"{error.reason}: {error.message}"
    else:
        return ()
    return (Cause("CUT_SHORT", "fewer attempts were made than requested", f"{len(made)} of {query.count}: {cause}"),)


def _expected(view: Effective, agent: AgentInfo, attempt: Attempt, evidence: Evidence) -> Expectation:
    """What policy says about the attempts. `evidence` has the address that the agent connected to."""
    address = attempt.resolve or evidence.address.rpartition(":")[0].strip("[]")
    headers = {"user-agent": f"mesh-egress-probe/{agent.version}", "accept": "*/*", **attempt.headers}
    return predict(
        view,
        agent.namespace,
        attempt.destination,
        agent.labels,
        address=address,
        headers=headers,
        method=attempt.method,
    )


async def _attempt(services: Services, query: Probe, agent: AgentInfo) -> JudgedAttempt:
    """An attempt, repeated while other traffic disturbs the counters."""
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
    return JudgedAttempt(evidence, verdict)


def _choose_agent(services: Services, query: Probe) -> AgentInfo:
    agent = services.agents.choose(query.cluster.mesh, query.cluster.id, query.namespace)
    if agent is None:
        where = f"namespace {query.namespace} of {query.cluster.id}" if query.namespace else query.cluster.id
        raise FailedPrecondition(
            f"no agent is attached from {where}; start one in a workload there",
            reason="NO_AGENT",
            metadata={"cluster": query.cluster.id, "namespace": query.namespace},
            retry_after=1.0,
        )
    return agent


async def _wait_applied(services: Services, replica: Replica, query: Probe) -> None:
    if not query.min_applied_revision:
        return
    with replica.watch() as wakeups:
        try:
            async with services.patience(MAX_APPLIED_WAIT):
                while _applied(replica, query) < query.min_applied_revision:
                    await anext(wakeups)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{query.cluster.id} is at revision {_applied(replica, query)}, not {query.min_applied_revision} yet",
                reason="NOT_APPLIED_YET",
                metadata={"cluster": query.cluster.id, "applied_revision": str(_applied(replica, query))},
            ) from None


def _applied(replica: Replica, query: Probe) -> int:
    status = replica.statuses.get(query.cluster.id)
    return status.applied_revision if status else 0
