"""What a cluster has applied, if that is not desired state: probes are judged by it, and explain predicts from it."""

from dataclasses import replace

import pytest

from egress_server.commands.applied_state import MAX_REVERTED, applied_state
from egress_server.commands.explain import Explain, explain_destination
from egress_server.commands.probe import Probe, ProbeResult, probe
from egress_server.domain.explain.explain import Explanation
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND, ClusterStatus, Phase, Problem
from egress_server.domain.probe.agreement import Agreement
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, UpstreamDelta
from egress_server.domain.probe.verdicts import Outcome
from egress_server.domain.simulate.evaluate import Request
from tests.support.meshes import cluster, entry, policy, selector
from tests.unit.commands.fakes import CALLER, World

EAST = Name("default", ResourceKind.CLUSTER, "east")
BANK = Destination("http", "bank.example.com", 80)
DIALLED = "203.0.113.7:80"
PASSED = Evidence(
    captured=True,
    status=301,
    address=DIALLED,
    upstreams=(UpstreamDelta("PassthroughCluster", DIALLED, cx_total=1, rq_total=1),),
)
BLOCKED = Evidence(captured=True, status=502, address=DIALLED)
OPEN, STRICT = policy("ALLOW_ANY"), policy("REGISTRY_ONLY")


def behind(*evidence: Evidence) -> World:
    """A cluster that has applied ALLOW_ANY, while REGISTRY_ONLY is the newest."""
    world = World.of(cluster("east"), OPEN)
    world.applied()
    world.put(STRICT)
    world.agents.add("a1")
    world.agents.evidence = list(evidence)
    return world


async def probed(world: World) -> ProbeResult:
    """A probe of BANK."""
    return await probe(world.services, CALLER, Probe(EAST, "", Attempt(BANK)))


async def explained(world: World) -> Explanation:
    """An explanation of BANK."""
    return (await explain_destination(world.services, CALLER, Explain(EAST, Request(BANK, "default")))).explanation


async def test_judged_by_what_is_applied() -> None:
    """The probe shows what the cluster has: it agrees with that, and says that the cluster is behind."""
    result = await probed(behind(PASSED))
    assert (result.expected.outcome, result.expected.revision) == (Outcome.PASSTHROUGH, 3)
    assert (result.summary.agreement, result.applied_revision) == (Agreement.AGREES, 3)
    assert result.summary.causes[0].code == "CLUSTER_BEHIND"
    assert result.summary.causes[0].evidence == "the cluster has applied revision 3; the newest is 4"


async def test_newer_than_reported() -> None:
    """What agrees with the newest policy only may be there already, so it contradicts nothing."""
    result = await probed(behind(BLOCKED))
    assert result.summary.agreement is Agreement.UNKNOWN
    result = await probed(behind(Evidence(captured=False, address=DIALLED)))
    assert (result.summary.outcome, result.summary.agreement) == (Outcome.BYPASSED, Agreement.DIFFERS)


async def test_others_changes() -> None:
    """A cluster that has not come to a change of another cluster is not behind."""
    world = behind(PASSED)
    world.applied()
    world.put(cluster("west"), entry("bank", cluster_selector=selector("west")))
    result = await probed(world)
    assert [cause.code for cause in result.summary.causes] == ["UNREGISTERED_PASSED"]
    assert result.summary.agreement is Agreement.DIFFERS


async def test_every_kind_of_change() -> None:
    """Resources that were created, changed, deleted, and created again since: all are as they were."""
    old, new, gone, again = entry("old"), entry("new"), entry("gone"), entry("again")
    world = World.of(cluster("east", region="eu"), old, gone, again)
    world.applied()
    world.put(replace(old, hosts=("x.example.com",)), new)
    world.delete(gone)
    world.delete(again)
    world.put(replace(again, hosts=("y.example.com",)), cluster("east", region="us"))
    east = world.replica.snapshot.cluster("east")
    assert east is not None
    state = await applied_state(world.services, world.replica, east)
    assert state.applied is not None
    assert {each.name: each for each in state.applied.view.entries} == {e.name: e for e in (old, gone, again)}
    assert state.applied.view.cluster.labels == {"region": "eu"}
    assert state.is_behind
    assert not state.is_stuck


@pytest.mark.parametrize("count", [1, MAX_REVERTED + 1])
async def test_history_that_is_not_kept(count: int) -> None:
    """Then it is not known what the cluster has, nor with what it should agree."""
    world = behind(PASSED)
    world.put(*[policy("ALLOW_ANY" if number % 2 else "REGISTRY_ONLY") for number in range(count)])
    if count == 1:
        world.replica.report(ClusterStatus("east", Phase.SETTLED))
    result = await probed(world)
    assert result.summary.agreement is Agreement.UNKNOWN
    assert result.summary.causes[0].code == "CLUSTER_BEHIND"


@pytest.mark.parametrize("phase", [Phase.HELD, Phase.FAILED, Phase.OFFLINE])
async def test_explained_by_what_is_applied(phase: Phase) -> None:
    """A cluster that will not take the newest policy soon is explained by what it has."""
    world = behind()
    problem = Problem(MASS_DELETION, "too much would be deleted")
    world.replica.report(ClusterStatus("east", phase, applied_revision=3, problem=problem))
    world.agents.infos = []
    found = await explained(world)
    assert (found.expected.outcome, found.revision) == (Outcome.PASSTHROUGH, 3)
    assert found.steps[0] == (
        f"Cluster: the cluster has applied revision 3, {phase.value} (MASS_DELETION); the newest is 4, so this is "
        "about what it has applied."
    )


async def test_explained_by_what_is_desired() -> None:
    """What is about to be applied is explained as if it were."""
    found = await explained(behind())
    assert (found.expected.outcome, found.revision) == (Outcome.BLOCKED, 4)


async def test_another_store() -> None:
    """Revisions of a store that was lost mean nothing in this one."""
    world = behind(PASSED)
    problem = Problem(STORE_REWOUND, "the store was restored")
    world.replica.report(ClusterStatus("east", Phase.HELD, applied_revision=3, problem=problem))
    assert (await probed(world)).summary.agreement is Agreement.UNKNOWN
    found = await explained(world)
    assert "what it holds is not known" in found.steps[0]
    assert found.expected.outcome is Outcome.INCONCLUSIVE
