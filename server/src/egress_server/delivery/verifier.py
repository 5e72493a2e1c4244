"""Verifies with probes from a cluster's workloads that what was applied has taken effect.

It never delays an apply: each apply that changes something stops the probes in flight, and they start over with all
that is still to be verified. A probe that does not agree is repeated for a while before it counts, since a sidecar
needs time to take a change.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from egress_server.aio.waiting import Interruptible, wait_for_event
from egress_server.delivery.context import ApplierContext
from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.errors import EgressError
from egress_server.domain.model.status import ClusterStatus, Problem
from egress_server.domain.probe.agreement import Agreement, compare
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.verify import (
    PlannedProbe,
    Removed,
    Subject,
    Workload,
    changed,
    expected_of,
    subjects,
)
from egress_server.ports.agents import AgentInfo
from egress_server.ports.target import Target

_DISAGREES = "PROBE_DISAGREES"
_INCONCLUSIVE = "PROBE_INCONCLUSIVE"
_UNREACHABLE = "PROBE_UNREACHABLE"
_PROBED = frozenset({_DISAGREES, _INCONCLUSIVE, _UNREACHABLE})
_NO_AGENT = Problem("NO_AGENT", "no agent is attached from the cluster, so it can't be verified")
_CRASHED = Problem("INTERNAL", "internal error while verifying; see the applier's logs")


class Verifier:
    """Verification of one cluster under one lease, `status` being that at its start. `report` is called with the fields
    of ClusterStatus that changed."""

    def __init__(
        self, cluster: str, context: ApplierContext, status: ClusterStatus, report: Callable[..., None]
    ) -> None:
        self._cluster = cluster
        self._context = context
        self._report_fields = report
        self._verified = status.verified_revision
        self._disagreements = dict(status.disagreements or {})
        self._unverified = dict(status.unverified or {})
        self._partly_verified = dict(status.partly_verified or {})
        self._reported = self._fields()
        self._applied: Effective | None = None
        self._target: Target | None = None
        self._patient_until = 0.0
        self._pending: dict[str, Removed | None] = {}
        self._recheck: dict[str, Removed | None] = {}
        self._wake = asyncio.Event()
        self._round = Interruptible()
        self._suspended = False
        self._next_probe: dict[str, float] = {}

    def suspend(self) -> None:
        """The cluster is about to change: what probes see before `applied` is meaningless."""
        self._suspended = True
        self._round.interrupt()

    def applied(self, now: Effective, target: Target, drifted: Collection[str] = ()) -> None:
        """The cluster, behind `target`, holds `now`. Nothing is probed unless something has changed since the last
        verdict, in desired state or, for the `drifted` resources, by other clients."""
        before, self._applied, self._target = self._applied, now, target
        pending = changed(before, now, self._verified) | {name: None for name in drifted if name in now.revisions}
        if before is None:
            known = now.revisions.keys() | {now.cluster.name}
            pending |= {name: None for name in (*self._disagreements, *self._unverified) if name in known}
        if pending and now.cluster.name in self._recheck:  # what could not be probed before may be now
            pending[now.cluster.name] = None
        self._pending |= pending
        for name in pending:
            self._recheck.pop(name, None)
        if pending or self._suspended:
            self._patient_until = self._context.monotonic() + target.propagation
            self._round.interrupt()
            self._suspended = False
            self._wake.set()
        elif before is not None and self._verified == before.revision:
            self._verified = now.revision
            self._report()
        elif self._verified < now.revision:
            self._wake.set()

    async def run(self) -> None:
        """Verifies whatever is applied, until cancelled."""
        while True:
            pause = self._context.settings.probe_recheck if self._recheck else None
            if not await wait_for_event(self._wake, pause):
                self._pending |= self._recheck
                self._recheck = {}
            self._wake.clear()
            if self._applied is not None:
                await self._round.run(self._verify_round(self._applied))

    async def _verify_round(self, now: Effective) -> None:
        try:
            await self._verify(now)
        except Exception:
            self._unverified[now.cluster.name] = _CRASHED
            self._report()
            self._wake.set()
            raise

    async def _verify(self, now: Effective) -> None:
        """Probes what is pending until all of it agrees, or patience runs out."""
        problems: dict[str, Problem] = {}
        for pause in self._pauses():
            await asyncio.sleep(pause)
            agents = await self._agents(now)
            now = with_inventory(now, self._context.replica.inventories.get(self._cluster))
            for subject in subjects(now, self._pending, _workloads(agents), self._context.settings.known_destinations):
                if problem := await self._check(now, subject, agents):
                    problems[subject.resource] = problem
                    self._doubt(subject, problem)
                else:
                    self._agree(subject)
            self._verified = max(self._verified, now.revision)
            self._report()
            if not self._pending:
                return
        self._give_up({name: problems[name] for name in self._pending})

    def _pauses(self) -> Iterator[float]:
        """Before each attempt; repeats the last one while a workload may still see the former state."""
        yield 0.0
        for pause in self._context.settings.probe_pauses:
            yield pause
        while self._context.monotonic() < self._patient_until:
            yield pause

    def _agree(self, subject: Subject) -> None:
        for kept in (self._pending, self._recheck, self._unverified, self._disagreements, self._partly_verified):
            kept.pop(subject.resource, None)
        if subject.unprobed:
            self._partly_verified[subject.resource] = Problem("PARTLY_PROBED", subject.unprobed)

    def _doubt(self, subject: Subject, problem: Problem) -> None:
        """What did not agree stays pending; what can't be probed waits for the recheck. A known disagreement stands
        until a probe agrees."""
        name = subject.resource
        self._partly_verified.pop(name, None)
        if subject.obstacle:
            self._disagreements.pop(name, None)
            self._recheck[name] = self._pending.pop(name, None)
        else:
            self._pending.setdefault(name, None)
        if name not in self._disagreements:
            self._unverified[name] = self._explained(problem)

    def _explained(self, problem: Problem) -> Problem:
        """What keeps the change from taking effect, if the target knows and a probe saw something else; else the
        problem itself."""
        held = self._target.propagation_problem() if self._target and problem.reason in _PROBED else None
        return replace(held, message=f"{held.message}; the last probe: {problem.message}") if held else problem

    def _give_up(self, problems: dict[str, Problem]) -> None:
        """Patience has run out: what the probes saw counts until the recheck."""
        for name, problem in problems.items():
            if problem.reason == _DISAGREES:
                self._unverified.pop(name, None)
                self._disagreements[name] = problem
        self._recheck |= self._pending
        self._pending = {}
        self._report()

    async def _check(self, now: Effective, subject: Subject, agents: dict[str, AgentInfo]) -> Problem | None:
        """What is wrong with the effect of a resource, or with probing it; None if all probes agree."""
        if subject.obstacle:
            return Problem("NOT_PROBED", subject.obstacle)
        for check in subject.probes:
            if problem := await self._probe(now, check, agents[check.workload.agent]):
                return problem
        return None

    async def _probe(self, now: Effective, check: PlannedProbe, agent: AgentInfo) -> Problem | None:
        await self._limit_rate(agent)
        try:
            evidence = await self._context.agents.attempt(self._context.mesh, agent, check.attempt)
        except EgressError as error:
            return Problem(error.reason, error.message)
        verdict = judge(check.attempt.destination, evidence)
        expected = expected_of(now, check, evidence)
        comparison = compare(expected, verdict)
        if comparison.agreement is Agreement.AGREES:
            return None
        causes = (comparison.cause, *verdict.causes) if comparison.cause else verdict.causes
        seen = "; ".join(f"{cause.text} ({cause.evidence})" for cause in causes)
        message = (
            f"{check.attempt.method} {check.attempt.destination.url} from {agent.agent} in {agent.namespace}: "
            f"policy expects {expected.outcome.value}, the probe observed {verdict.outcome.value}: {seen}"
        )
        if comparison.agreement is Agreement.DIFFERS:
            return Problem(_DISAGREES, message)
        if verdict.outcome is Outcome.UNREACHABLE:
            return Problem(_UNREACHABLE, message)
        warming = any(cause.code == "CLUSTER_WARMING" for cause in verdict.causes)
        return Problem("DNS_WARMING" if warming else _INCONCLUSIVE, message)

    async def _agents(self, now: Effective) -> dict[str, AgentInfo]:
        """The agents of the cluster by id; waits while there is none, which is shown for the cluster as a whole."""
        whole = now.cluster.name
        while not (attached := self._context.agents.attached(self._context.mesh, self._cluster)):
            self._unverified[whole] = _NO_AGENT
            self._report()
            await asyncio.sleep(self._context.settings.agent_poll)
        if self._unverified.get(whole) in (_NO_AGENT, _CRASHED):
            del self._unverified[whole]
        return {agent.agent: agent for agent in sorted(attached, key=lambda agent: agent.agent)}

    async def _limit_rate(self, agent: AgentInfo) -> None:
        """Waits until this agent may be asked again."""
        now = self._context.monotonic()
        at = max(now, self._next_probe.get(agent.agent, 0.0))
        later = {other: moment for other, moment in self._next_probe.items() if moment > now}
        self._next_probe = later | {agent.agent: at + self._context.settings.probe_interval}
        await asyncio.sleep(at - now)

    def _fields(self) -> dict[str, Any]:
        return {
            "verified_revision": self._verified,
            "disagreements": dict(self._disagreements) or None,
            "unverified": dict(self._unverified) or None,
            "partly_verified": dict(self._partly_verified) or None,
        }

    def _report(self) -> None:
        fields = self._fields()
        if fields != self._reported:
            self._reported = fields
            self._report_fields(**fields, verify_time=self._context.clock())


def _workloads(agents: dict[str, AgentInfo]) -> list[Workload]:
    return [Workload(agent.agent, agent.namespace, agent.labels) for agent in agents.values()]
