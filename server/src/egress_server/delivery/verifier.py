"""Looks at a cluster through the eyes of its workloads: has what was applied taken effect?

It never holds up an apply: each one that changes something stops the probes in flight, and they begin anew with all
that is still to be seen. What does not agree is probed again for a while before it counts, since a sidecar needs time
to take a change.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Any

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.waiting import wait_for_event
from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.errors import EgressError
from egress_server.domain.model.status import ClusterStatus, Problem
from egress_server.domain.probe.judge import judge
from egress_server.domain.verify import (
    Agreement,
    PlannedProbe,
    Removed,
    Subject,
    Workload,
    changed,
    compare,
    expected_of,
    subjects,
)
from egress_server.ports.agents import AgentInfo
from egress_server.ports.target import Target

_DISAGREES = "PROBE_DISAGREES"
_INCONCLUSIVE = "PROBE_INCONCLUSIVE"
_SEEN = frozenset({_DISAGREES, _INCONCLUSIVE})
_NO_AGENT = Problem("NO_AGENT", "no agent is attached from the cluster, so nobody can see what takes effect there")


class Verifier:
    """Verification of one cluster under one lease. `report` takes the fields of ClusterStatus that changed."""

    def __init__(self, cluster: str, shop: ApplierContext, status: ClusterStatus, report: Callable[..., None]) -> None:
        self._cluster = cluster
        self._shop = shop
        self._report_fields = report
        self._verified = status.verified_revision
        self._disagreements = dict(status.disagreements or {})
        self._unverified = dict(status.unverified or {})
        self._reported = self._fields()
        self._now: Effective | None = None
        self._target: Target | None = None
        self._patient_until = 0.0
        self._due: dict[str, Removed | None] = {}
        self._doubtful: dict[str, Removed | None] = {}
        self._news = asyncio.Event()
        self._round: asyncio.Task[None] | None = None
        self._held = False
        self._turns: dict[str, float] = {}

    def hold(self) -> None:
        """The cluster is about to change: what is seen until it is applied means nothing."""
        self._held = True
        self._stop_round()

    def applied(self, now: Effective, target: Target, drifted: Collection[str] = ()) -> None:
        """The cluster, behind `target`, holds `now`. Nothing is probed where nothing has changed since the last
        verdict, by us or, of what has `drifted`, by others."""
        before, self._now, self._target = self._now, now, target
        due = changed(before, now, self._verified) | {name: None for name in drifted if name in now.revisions}
        if before is None:
            known = now.revisions.keys() | {now.cluster.name}
            due |= {name: None for name in (*self._disagreements, *self._unverified) if name in known}
        if due and now.cluster.name in self._doubtful:  # what could not be probed before may be now
            due[now.cluster.name] = None
        self._due |= due
        for name in due:
            self._doubtful.pop(name, None)
        if due or self._held:
            self._patient_until = self._shop.monotonic() + target.patience
            self._stop_round()
            self._held = False
            self._news.set()
        elif before is not None and self._verified == before.revision:
            self._verified = now.revision
            self._report()
        elif self._verified < now.revision:
            self._news.set()

    def _stop_round(self) -> None:
        if self._round is not None:
            self._round.cancel()

    async def run(self) -> None:
        """Verifies whatever is applied, until cancelled."""
        while True:
            recheck = self._shop.settings.probe_recheck if self._doubtful else None
            if not await self._wait(recheck):
                self._due |= self._doubtful
                self._doubtful = {}
            self._news.clear()
            if self._now is None:
                continue
            self._round = asyncio.create_task(self._look_around(self._now))
            try:
                await asyncio.wait({self._round})
            finally:
                self._round.cancel()
            if not self._round.cancelled():
                self._round.result()

    async def _wait(self, seconds: float | None) -> bool:
        if seconds is None:
            return await self._news.wait()
        return await wait_for_event(self._news, seconds)

    async def _look_around(self, now: Effective) -> None:
        """Probes what is due until all of it agrees, or patience is over."""
        problems: dict[str, Problem] = {}
        for pause in self._pauses():
            await asyncio.sleep(pause)
            agents = await self._agents(now)
            now = with_inventory(now, self._shop.replica.inventories.get(self._cluster))
            for subject in subjects(now, self._due, _workloads(agents), self._shop.settings.known_destinations):
                if problem := await self._look_at(now, subject, agents):
                    problems[subject.resource] = problem
                    self._doubt(subject, problem)
                else:
                    self._agree(subject.resource)
            self._verified = max(self._verified, now.revision)
            self._report()
            if not self._due:
                return
        self._give_up({name: problems[name] for name in self._due})

    def _pauses(self) -> Iterator[float]:
        """Before each look; on and on at the last pace while a workload may still see the former state."""
        yield 0.0
        for pause in self._shop.settings.probe_pauses:
            yield pause
        while self._shop.monotonic() < self._patient_until:
            yield pause

    def _agree(self, resource: str) -> None:
        for kept in (self._due, self._doubtful, self._unverified, self._disagreements):
            kept.pop(resource, None)

    def _doubt(self, subject: Subject, problem: Problem) -> None:
        """What did not agree stays due; what can't be probed is left until the recheck. A disagreement that is known
        stands until a probe agrees."""
        name = subject.resource
        if subject.obstacle:
            self._disagreements.pop(name, None)
            self._doubtful[name] = self._due.pop(name, None)
        else:
            self._due.setdefault(name, None)
        if name not in self._disagreements:
            self._unverified[name] = self._explained(problem)

    def _explained(self, problem: Problem) -> Problem:
        """A probe that saw something else, with what holds up that it takes effect, where the target sees that: then
        that is the reason."""
        held = self._target.holding_up() if self._target and problem.reason in _SEEN else None
        return replace(held, message=f"{held.message}; the last probe: {problem.message}") if held else problem

    def _give_up(self, problems: dict[str, Problem]) -> None:
        """Patience is over: what was seen counts, until the recheck."""
        for name, problem in problems.items():
            if problem.reason == _DISAGREES:
                self._unverified.pop(name, None)
                self._disagreements[name] = problem
        self._doubtful |= self._due
        self._due = {}
        self._report()

    async def _look_at(self, now: Effective, subject: Subject, agents: dict[str, AgentInfo]) -> Problem | None:
        """What is wrong with the effect of a resource, or with seeing it; None where all agrees."""
        if subject.obstacle:
            return Problem("NOT_PROBED", subject.obstacle)
        for check in subject.probes:
            if problem := await self._probe(now, check, agents[check.workload.agent]):
                return problem
        return None

    async def _probe(self, now: Effective, check: PlannedProbe, agent: AgentInfo) -> Problem | None:
        await self._turn(agent)
        try:
            evidence = await self._shop.agents.attempt(self._shop.mesh, agent, check.attempt)
        except EgressError as error:
            return Problem(error.reason, error.message)
        verdict = judge(check.attempt.destination, evidence)
        expected = expected_of(now, check, evidence)
        agreement = compare(expected, verdict)
        if agreement is Agreement.AGREES:
            return None
        seen = "; ".join(f"{cause.text} ({cause.evidence})" for cause in verdict.causes)
        message = (
            f"{check.attempt.method} {check.attempt.destination.url} from {agent.agent} in {agent.namespace}: "
            f"policy says {expected.outcome.value}, the probe saw {verdict.outcome.value}: {seen}"
        )
        if agreement is Agreement.DIFFERS:
            return Problem(_DISAGREES, message)
        warming = any(cause.code == "CLUSTER_WARMING" for cause in verdict.causes)
        return Problem("DNS_WARMING" if warming else _INCONCLUSIVE, message)

    async def _agents(self, now: Effective) -> dict[str, AgentInfo]:
        """The agents of the cluster by id; waits while there is none, and says so of the cluster as a whole."""
        whole = now.cluster.name
        while not (attached := self._shop.agents.attached(self._shop.mesh, self._cluster)):
            self._unverified[whole] = _NO_AGENT
            self._report()
            await asyncio.sleep(self._shop.settings.agent_poll)
        if self._unverified.get(whole) == _NO_AGENT:
            del self._unverified[whole]
        return {agent.agent: agent for agent in sorted(attached, key=lambda agent: agent.agent)}

    async def _turn(self, agent: AgentInfo) -> None:
        """Waits until it is this agent's turn to be asked again."""
        now = self._shop.monotonic()
        at = max(now, self._turns.get(agent.agent, 0.0))
        later = {other: turn for other, turn in self._turns.items() if turn > now}
        self._turns = later | {agent.agent: at + self._shop.settings.probe_interval}
        await asyncio.sleep(at - now)

    def _fields(self) -> dict[str, Any]:
        return {
            "verified_revision": self._verified,
            "disagreements": dict(self._disagreements) or None,
            "unverified": dict(self._unverified) or None,
        }

    def _report(self) -> None:
        fields = self._fields()
        if fields != self._reported:
            self._reported = fields
            self._report_fields(**fields, verify_time=self._shop.clock())


def _workloads(agents: dict[str, AgentInfo]) -> list[Workload]:
    return [Workload(agent.agent, agent.namespace, agent.labels) for agent in agents.values()]
