"""Probes of many attempts, of faults and bypassing the sidecar: their outcome, within the time of the call."""

# ruff: noqa: ARG002 # a fake takes all arguments of its port

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from egress_server.commands.probe import MAX_TRIES, Probe, ProbeResult, probe
from egress_server.domain.model.errors import DeadlineExceeded, Unavailable
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.resources import Abort, HeaderMatch, MatchKind, Resource
from egress_server.domain.probe.agreement import Agreement
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, LiveFault, Timings, UpstreamDelta
from egress_server.domain.probe.verdicts import Outcome
from egress_server.ports.agents import AgentInfo
from tests.support.meshes import cluster, entry, fault, interception, policy
from tests.support.virtual_time import virtual_time
from tests.unit.commands.fakes import CALLER, FakeAgents, World

HTTP = Destination("http", "bank.example.com", 80)
AT = "203.0.113.10:80"
OUT = UpstreamDelta("outbound|80||bank.example.com", AT, cx_total=1, rq_total=1)
ANSWERED = Evidence(captured=True, status=200, address=AT, timings=Timings(total=0.1))
REGISTERED = replace(ANSWERED, upstreams=(OUT,))
BLOCKED = replace(ANSWERED, status=502)
DISTURBED = replace(ANSWERED, upstreams=(replace(OUT, rq_total=2),))
ABORTED = replace(ANSWERED, status=503, live_faults=(LiveFault("f", http_status=503),))
CUT = replace(ANSWERED, status=0, error="connection closed before a response")
BANK = entry("bank")


class Agents(FakeAgents):
    """One agent that gives evidence in order, each after a while, the last one forever; errors are raised."""

    def __init__(self, script: Iterable[Evidence | Exception], seconds: float) -> None:
        super().__init__()
        self.add()
        self._script = list(script)
        self._seconds = seconds

    async def attempt(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> Evidence:
        """The next one."""
        self.asked.append((agent, attempt))
        await asyncio.sleep(self._seconds)
        found = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(found, Exception):
            raise found
        return found


async def probed(
    *resources: Resource,
    sees: Iterable[Evidence | Exception],
    count: int = 1,
    call: float | None = None,
    takes: float = 0.0,
    **attempt: Any,
) -> tuple[ProbeResult, int]:
    """The outcome of probing the bank, and how often the agent was asked; the call has `call` seconds, and each attempt
    takes `takes`."""
    agents = Agents(sees, takes)
    world = World(agents=agents)
    world.put(cluster(), *resources)
    world.applied()
    caller = CALLER if call is None else replace(CALLER, deadline=time.monotonic() + call)
    query = Probe(Name("default", ResourceKind.CLUSTER, "east"), "", replace(Attempt(HTTP), **attempt), count=count)
    return await probe(world.services, caller, query), len(agents.asked)


async def test_times() -> None:
    """Only attempts that got a response have times."""
    result, _ = await probed(BANK, sees=[REGISTERED, replace(CUT, timings=Timings(total=9.0)), REGISTERED], count=3)
    assert result.quantiles is not None
    assert result.quantiles.max == 0.1
    result, _ = await probed(BANK, sees=[CUT], count=2)
    assert result.quantiles is None


async def test_many() -> None:
    """Attempts are made one after the other; the outcome is the most frequent one, the counts include all."""
    result, asked = await probed(BANK, sees=[REGISTERED, CUT, REGISTERED, CUT, REGISTERED], count=7)
    assert [made.verdict.outcome for made in result.attempts].count(Outcome.REGISTERED) == 5
    assert result.summary.outcome is Outcome.REGISTERED
    assert result.summary.counts == {Outcome.REGISTERED: 5, Outcome.BLOCKED: 2}
    assert result.summary.agreement is Agreement.DIFFERS
    assert (asked, result.cut_short) == (7, ())


async def test_each_is_made_again() -> None:
    """Each attempt that other traffic disturbs is repeated, but not forever."""
    result, asked = await probed(BANK, sees=[DISTURBED], count=2)
    assert (result.summary.outcome, asked) == (Outcome.INCONCLUSIVE, 2 * MAX_TRIES)


async def test_fault_for_some() -> None:
    """With a fault on a share of the requests both outcomes agree."""
    some = fault(abort=Abort(503, percent=50.0))
    result, _ = await probed(BANK, some, sees=[ABORTED, REGISTERED, ABORTED], count=3)
    assert (result.summary.outcome, result.expected.outcome) == (Outcome.FAULTED, Outcome.FAULTED)
    assert result.summary.agreement is Agreement.AGREES


async def test_fault_by_header() -> None:
    """Policy is evaluated for exactly this request: its headers, including those that the agent adds."""
    own = HeaderMatch("user-agent", MatchKind.PREFIX, "mesh-egress-probe/")
    mesh = (BANK, fault(match_headers=(own,)))
    result, _ = await probed(*mesh, sees=[ABORTED])
    assert result.expected.outcome is Outcome.FAULTED
    result, _ = await probed(*mesh, sees=[REGISTERED], headers={"User-Agent": "curl"})
    assert result.expected.outcome is Outcome.REGISTERED


@pytest.mark.parametrize(
    ("excluded", "given", "dialled", "outcome"),
    [
        ("203.0.113.0/24", "", "203.0.113.10:80", Outcome.BYPASSED),
        ("203.0.113.0/24", "", "198.51.100.7:80", Outcome.PASSTHROUGH),
        ("203.0.113.0/24", "", "[2001:db8::1]:80", Outcome.PASSTHROUGH),
        ("2001:db8::/32", "", "[2001:db8::1]:80", Outcome.BYPASSED),
        # A host override: the real address of the destination does not count, but what an application dials.
        ("203.0.113.0/24", "203.0.113.10", "127.0.0.1:18080", Outcome.BYPASSED),
        ("127.0.0.0/8", "203.0.113.10", "127.0.0.1:18080", Outcome.PASSTHROUGH),
    ],
)
async def test_expectation_by_address(excluded: str, given: str, dialled: str, outcome: Outcome) -> None:
    """What policy expects depends on the address that was dialled."""
    seen = replace(ANSWERED, captured=False, address=dialled)
    result, _ = await probed(interception(exclude_cidrs=(excluded,)), sees=[seen], resolve=given)
    assert (result.summary.outcome, result.expected.outcome) == (Outcome.BYPASSED, outcome)


@virtual_time
async def test_deadline() -> None:
    """At the deadline of the call the result has the attempts made so far, and how many were requested. If none was
    made, it is an error. A single attempt has all the time."""
    result, _ = await probed(BANK, sees=[REGISTERED], count=100, call=10.5, takes=1.0)
    assert 5 < len(result.attempts) < 20
    assert result.cut_short[0].code == "CUT_SHORT"
    assert result.cut_short[0].evidence == f"{len(result.attempts)} of 100: the deadline of the call expired"
    with pytest.raises(DeadlineExceeded):
        await probed(BANK, sees=[REGISTERED], count=2, call=10.0, takes=60.0)
    result, _ = await probed(BANK, sees=[REGISTERED], call=10.0, takes=60.0)
    assert len(result.attempts) == 1


async def test_agent_that_is_lost() -> None:
    """An agent that detaches during the probe leaves the attempts made so far; one that was never there is an error."""
    lost = Unavailable("agent a1 is not attached", reason="AGENT_LOST")
    result, _ = await probed(sees=[REGISTERED, REGISTERED, lost], count=5)
    assert result.cut_short[0].evidence == "2 of 5: AGENT_LOST: agent a1 is not attached"
    with pytest.raises(Unavailable):
        await probed(sees=[lost], count=5)


async def test_policy_of_the_moment_before() -> None:
    """Policy is evaluated as of before the attempts: changes during the probe do not count as disagreement."""
    world = World(agents=Agents([BLOCKED], 0.01))
    world.put(cluster(), policy("REGISTRY_ONLY"))
    query = Probe(Name("default", ResourceKind.CLUSTER, "east"), "", Attempt(HTTP))
    asking = asyncio.create_task(probe(world.services, CALLER, query))
    await asyncio.sleep(0)
    world.put(policy("ALLOW_ANY"))
    assert (await asking).expected.outcome is Outcome.BLOCKED
