"""The `curl -I` of the document, with a verdict: an agent connects, evidence decides, policy is held against it."""

import asyncio
import time
from dataclasses import dataclass

from egress_server.commands.cluster_view import cluster_view, find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.errors import (
    DeadlineExceeded,
    EgressError,
    FailedPrecondition,
    InvalidArgument,
    Violation,
)
from egress_server.domain.model.names import Name
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.domain.probe.judge import is_disturbed, judge
from egress_server.domain.probe.verdicts import (
    Cause,
    Expectation,
    ProbeSummary,
    Quantiles,
    Verdict,
    quantiles,
    summarize,
)
from egress_server.domain.simulate.evaluate import predict
from egress_server.ports.agents import AgentInfo
from egress_server.ports.store import Replica

MAX_TRIES = 3
# What of the call's time is kept to bring the answer home, in seconds.
_LAST_SECONDS = 0.25
MAX_WAIT = 60.0  # seconds for a revision to be applied; the call's own deadline holds as well
# What the agent refuses because of the request; its other troubles make a probe inconclusive.
_REFUSALS = frozenset({"ADDRESS_FORBIDDEN", "METHOD_FORBIDDEN", "REQUEST_INVALID"})


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask `count` times from a workload in `namespace` (empty: any) of `cluster`, once it holds
    `min_applied_revision`."""

    cluster: Name
    namespace: str
    attempt: Attempt
    min_applied_revision: int = 0
    count: int = 1

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class Made:
    """One attempt that was made."""

    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What happened, what should have, and what was seen. `cut_short` says why there are fewer attempts than asked
    for, if there are."""

    agent: AgentInfo
    attempt: Attempt
    made: tuple[Made, ...]
    tally: ProbeSummary
    quantiles: Quantiles | None
    expected: Expectation
    applied_revision: int
    cut_short: tuple[Cause, ...] = ()


async def probe(services: Services, caller: Caller, query: Probe) -> ProbeResult:
    """Runs a probe; at the call's deadline it returns the attempts that were made.

    Raises NotFound CLUSTER_NOT_FOUND, FailedPrecondition NO_AGENT, InvalidArgument ADDRESS_FORBIDDEN, and what the
    agent's session raises before the first attempt is made.
    """
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    await _wait_applied(services, replica, query)
    agent = _choose_agent(services, query)
    # As of the moment before: a fault may end, or a policy change, while a request waits.
    wanted, _ = cluster_view(replica, cluster, services.clock())
    made: list[Made] = []
    cut_short = await _attempts(services, caller, query, agent, made)
    expected = _expected(wanted, agent, query.attempt, made[0].evidence)
    return ProbeResult(
        agent=agent,
        attempt=query.attempt,
        made=tuple(made),
        tally=summarize([each.verdict for each in made], expected),
        quantiles=quantiles(m.evidence.timings.total or 0.0 for m in made if m.evidence.answered),
        expected=expected,
        applied_revision=_applied(replica, query),
        cut_short=cut_short,
    )


async def _attempts(
    services: Services, caller: Caller, query: Probe, agent: AgentInfo, made: list[Made]
) -> tuple[Cause, ...]:
    """Adds to `made` what is made, one after the other; the answer says why that is less than asked for."""
    left = None if caller.deadline is None else caller.deadline - time.monotonic() - _LAST_SECONDS
    try:
        async with asyncio.timeout(left if query.count > 1 else None):
            while len(made) < query.count:
                made.append(await _attempt(services, query, agent))
    except TimeoutError:
        if not made:
            raise DeadlineExceeded("the call's deadline passed before an attempt was made") from None
        why = "the call's deadline"
    except EgressError as error:
        if not made:
            raise
        why = f"{error.reason}: {error.message}"
    else:
        return ()
    return (Cause("CUT_SHORT", "fewer attempts were made than asked for", f"{len(made)} of {query.count}: {why}"),)


def _expected(wanted: Effective, agent: AgentInfo, attempt: Attempt, evidence: Evidence) -> Expectation:
    """What the policy says of the attempts; `evidence` tells the address that was dialled."""
    address = attempt.resolve or evidence.address.rpartition(":")[0].strip("[]")
    headers = {"user-agent": f"mesh-egress-probe/{agent.version}", "accept": "*/*", **attempt.headers}
    return predict(wanted, agent.namespace, attempt.destination, agent.labels, address=address, headers=headers)


async def _attempt(services: Services, query: Probe, agent: AgentInfo) -> Made:
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
    return Made(evidence, verdict)


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


async def _wait_applied(services: Services, replica: Replica, query: Probe) -> None:
    if not query.min_applied_revision:
        return
    with replica.watch() as wakeups:
        try:
            async with services.patience(MAX_WAIT):
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
