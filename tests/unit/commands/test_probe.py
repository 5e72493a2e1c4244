"""Probing: which agent is asked, how often, and what the result is compared with."""

import asyncio

import pytest

from egress_server.commands.probe import MAX_TRIES, Probe, probe
from egress_server.domain.model.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound
from egress_server.domain.model.limits import MAX_APPLIED_WAIT
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.domain.probe.agreement import Agreement
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, UpstreamDelta
from egress_server.domain.probe.verdicts import Outcome
from tests.support.meshes import cluster, entry, policy
from tests.support.virtual_time import virtual_time
from tests.unit.commands.fakes import CALLER, World

BANK = Destination("http", "bank.example.com", 80)
DIALLED = "203.0.113.7:80"


def outcome(cluster_name: str, streams: int = 1) -> Evidence:
    """A connection that was captured and sent by one of Envoy's clusters."""
    upstream = UpstreamDelta(cluster_name, DIALLED, cx_total=streams, rq_total=streams)
    return Evidence(captured=True, status=301, address=DIALLED, upstreams=(upstream,))


REGISTERED = outcome("outbound|80||bank.example.com")
DISTURBED = outcome("outbound|80||bank.example.com", streams=2)
PASSED = outcome("PassthroughCluster")
BLOCKED = Evidence(captured=True, status=502, address=DIALLED)


def query(namespace: str = "", revision: int = 0, cluster_id: str = "east") -> Probe:
    """A probe of BANK."""
    return Probe(Name("default", ResourceKind.CLUSTER, cluster_id), namespace, Attempt(BANK), revision)


def world(*evidence: Evidence, namespace: str = "default") -> World:
    """One cluster with one agent that reports `evidence`."""
    world = World.of(cluster("east"))
    world.agents.add("a1", namespace=namespace)
    world.agents.evidence = list(evidence)
    world.applied()
    return world


async def test_the_verdict_is_held_against_the_policy() -> None:
    """Nothing is registered and nothing blocked: it should pass, and does."""
    mesh = world(PASSED)
    mesh.replica.report(ClusterStatus("east", Phase.SETTLED, applied_revision=2))
    result = await probe(mesh.services, CALLER, query())
    assert (result.summary.outcome, result.expected.outcome) == (Outcome.PASSTHROUGH, Outcome.PASSTHROUGH)
    assert result.summary.agreement is Agreement.AGREES
    assert result.applied_revision == 2
    assert result.agent.agent == "a1"


async def test_a_disagreement_names_the_policy_that_decides() -> None:
    """The resource and its revision are in the expectation."""
    mesh = world(PASSED)
    mesh.put(policy("REGISTRY_ONLY"))
    mesh.applied()
    result = await probe(mesh.services, CALLER, query())
    assert (result.expected.outcome, result.expected.resource) == (Outcome.BLOCKED, policy("REGISTRY_ONLY").name)
    assert result.expected.revision == 3
    assert result.summary.agreement is Agreement.DIFFERS


async def test_the_agents_own_namespace_and_labels_decide_what_is_expected() -> None:
    """Also if the caller named none."""
    mesh = world(BLOCKED, namespace="prod")
    mesh.put(policy("REGISTRY_ONLY", scope=Scope("prod")), entry("bank", namespace="other", export_to=(".",)))
    mesh.applied()
    result = await probe(mesh.services, CALLER, query())
    assert result.expected.outcome is Outcome.BLOCKED
    assert result.summary.agreement is Agreement.AGREES


@pytest.mark.parametrize(
    ("evidence", "asked", "seen"),
    [
        ([REGISTERED], 1, Outcome.REGISTERED),
        ([DISTURBED, REGISTERED], 2, Outcome.REGISTERED),
        ([DISTURBED, DISTURBED, REGISTERED], 3, Outcome.REGISTERED),
        ([DISTURBED], MAX_TRIES, Outcome.INCONCLUSIVE),
        ([Evidence(captured=False, address=DIALLED)], 1, Outcome.BYPASSED),
    ],
    ids=["at once", "second", "third", "never", "not captured"],
)
async def test_a_disturbed_attempt_is_made_again(evidence: list[Evidence], asked: int, seen: Outcome) -> None:
    """Three times at most; an inconclusive result for another reason is not retried."""
    mesh = world(*evidence)
    result = await probe(mesh.services, CALLER, query())
    assert result.summary.outcome is seen
    assert len(mesh.agents.asked) == asked


async def test_an_unknown_cluster_is_not_found() -> None:
    """No agent is used."""
    mesh = world(PASSED)
    with pytest.raises(NotFound) as caught:
        await probe(mesh.services, CALLER, query(cluster_id="west"))
    assert caught.value.reason == "CLUSTER_NOT_FOUND"
    assert mesh.agents.asked == []


async def test_without_an_agent_there_is_no_answer() -> None:
    """The error names the cluster without one, and has a retry delay."""
    with pytest.raises(FailedPrecondition, match="namespace shop of east") as caught:
        await probe(world(PASSED).services, CALLER, query("shop"))
    error = caught.value
    assert (error.reason, error.metadata) == ("NO_AGENT", {"cluster": "east", "namespace": "shop"})
    assert error.retry_after


async def test_what_the_agent_forbids_is_the_callers_fault() -> None:
    """With the agent's reason, about the URL."""
    refused = Evidence(captured=False, refused="ADDRESS_FORBIDDEN", refused_message="127.0.0.1 is a loopback address")
    with pytest.raises(InvalidArgument, match="loopback") as caught:
        await probe(world(refused).services, CALLER, query())
    assert caught.value.reason == "ADDRESS_FORBIDDEN"
    assert [v.field for v in caught.value.violations] == ["url"]


async def test_other_troubles_of_the_agent_are_inconclusive() -> None:
    """They are not about the request."""
    refused = Evidence(captured=False, refused="NO_SIDECAR", refused_message="no sidecar answers")
    result = await probe(world(refused).services, CALLER, query())
    assert (result.summary.outcome, result.summary.causes[0].code) == (Outcome.INCONCLUSIVE, "NO_SIDECAR")


@virtual_time
async def test_a_probe_waits_for_the_revision_it_is_about() -> None:
    """No agent is used before the cluster has applied it."""
    mesh = world(PASSED)
    task = asyncio.create_task(probe(mesh.services, CALLER, query(revision=5)))
    await asyncio.sleep(1)
    mesh.replica.report(ClusterStatus("east", Phase.SETTLED, applied_revision=4))
    await asyncio.sleep(1)
    assert mesh.agents.asked == []
    mesh.replica.report(ClusterStatus("east", Phase.SETTLED, applied_revision=6))
    assert (await task).applied_revision == 6
    assert mesh.replica.watchers == 0


@virtual_time
async def test_a_revision_that_does_not_come_is_told() -> None:
    """With the revision that the cluster has applied, after a minute."""
    begin = asyncio.get_running_loop().time()
    mesh = world(PASSED)
    mesh.replica.report(ClusterStatus("east", Phase.SETTLED, applied_revision=4))
    with pytest.raises(DeadlineExceeded, match="east is at revision 4, not 5 yet") as caught:
        await probe(mesh.services, CALLER, query(revision=5))
    assert asyncio.get_running_loop().time() - begin == pytest.approx(MAX_APPLIED_WAIT)
    assert caught.value.reason == "NOT_APPLIED_YET"
    assert caught.value.metadata == {"cluster": "east", "applied_revision": "4"}
    assert mesh.agents.asked == []
