"""What an explanation is based on: a sidecar's configuration if an agent can evaluate it, otherwise a prediction."""

from dataclasses import replace

import pytest

from egress_server.commands.explain import Basis, Explain, Explained, explain_destination
from egress_server.domain.live.decision import LiveDecision, LiveReport, LiveUpstream, no_report
from egress_server.domain.model.errors import FailedPrecondition, Unavailable
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.resources import Resource
from egress_server.domain.probe.evidence import Attempt, Destination
from egress_server.domain.probe.verdicts import Outcome, Upstream
from egress_server.domain.simulate.evaluate import Request
from egress_server.ports.agents import AgentInfo
from tests.support.meshes import cluster, entry, interception, policy
from tests.unit.commands.fakes import CALLER, FakeAgents, World

EAST = Name("default", ResourceKind.CLUSTER, "east")
BANK, STRICT = entry("bank"), policy("REGISTRY_ONLY")
HTTP = Destination("http", "bank.example.com", 80)
SENT = LiveUpstream("outbound|80||bank.example.com", 1.0, Outcome.REGISTERED, "SENT", "bank.example.com", 80)
REGISTERED = LiveReport(LiveDecision(Outcome.REGISTERED, "SENT", upstreams=(SENT,)), "203.0.113.7")
BLOCKED = LiveReport(LiveDecision(Outcome.BLOCKED, "BLACK_HOLE", owner="shop/x"), "203.0.113.7")
UNDECIDED = LiveReport(LiveDecision(Outcome.INCONCLUSIVE, "UNDECIDED"))
UNREAD = no_report("SIDECAR_UNREACHABLE", "the sidecar did not respond")


class LostAgents(FakeAgents):
    """Agents that are gone when they are asked."""

    async def evaluate(self, mesh: str, agent: AgentInfo, attempt: Attempt) -> LiveReport:
        """See the port."""
        self.asked.append((agent, attempt))
        raise Unavailable(f"agent {agent.agent} of {mesh} is gone", reason="AGENT_LOST")


def world(*reports: LiveReport, agents: FakeAgents | None = None, more: tuple[Resource, ...] = ()) -> World:
    """A cluster that has applied an entry under REGISTRY_ONLY, with an agent in the namespace default."""
    found = World(agents=agents or FakeAgents())
    found.put(cluster("east"), STRICT, BANK, *more)
    found.applied()
    found.agents.add("a1", app="web", tier="1")
    found.agents.reports = list(reports)
    return found


async def explained(mesh: World, basis: Basis = Basis.UNSPECIFIED, request: Request | None = None) -> Explained:
    """An explanation of HTTP to BANK."""
    return await explain_destination(mesh.services, CALLER, Explain(EAST, request or Request(HTTP, "default"), basis))


@pytest.mark.parametrize("basis", [Basis.UNSPECIFIED, Basis.LIVE])
async def test_live(basis: Basis) -> None:
    """The agent evaluates the same request; what decides is known from the prediction."""
    mesh = world(REGISTERED)
    request = Request(HTTP, "default", {"app": "web"}, "203.0.113.9", {"x-user": "me"}, "HEAD")
    found = await explained(mesh, basis, request)
    assert found.agent is not None
    assert (found.agent.agent, found.explanation.live) == ("a1", REGISTERED)
    expected = found.explanation.expected
    assert (expected.outcome, expected.resource, expected.revision) == (Outcome.REGISTERED, BANK.name, 3)
    assert expected.upstreams == (Upstream("bank.example.com", 80),)
    assert found.explanation.steps[-1] == (
        "Sidecar: its configuration leads to REGISTERED (SENT), to outbound|80||bank.example.com."
    )
    assert "EGR0611" not in {finding.code for finding in found.explanation.findings}
    ((_, attempt),) = mesh.agents.asked
    assert (attempt.destination, attempt.method, attempt.headers, attempt.resolve) == (
        *(HTTP, "HEAD", {"x-user": "me"}, "203.0.113.9"),
    )


async def test_live_differs() -> None:
    """What the sidecar is configured for counts, and the difference is a finding."""
    found = (await explained(world(BLOCKED))).explanation
    assert (found.expected.outcome, found.expected.resource) == (Outcome.BLOCKED, "VirtualService/shop/x")
    assert "EGR0611" in {finding.code for finding in found.findings}


async def test_model() -> None:
    """On request, no agent is asked."""
    mesh = world(BLOCKED)
    found = await explained(mesh, Basis.MODEL)
    assert (found.agent, found.explanation.live, mesh.agents.asked) == (None, None, [])
    assert found.explanation.expected.outcome is Outcome.REGISTERED


@pytest.mark.parametrize(
    "request_", [Request(HTTP, "shop"), Request(HTTP, "default", {"app": "other"})], ids=["namespace", "labels"]
)
async def test_another_workload(request_: Request) -> None:
    """An agent speaks for workloads with its namespace and labels only."""
    mesh = world(BLOCKED)
    assert (await explained(mesh, request=request_)).agent is None
    with pytest.raises(FailedPrecondition) as caught:
        await explained(mesh, Basis.LIVE, request_)
    assert caught.value.reason == "NO_AGENT"


@pytest.mark.parametrize("report", [UNDECIDED, UNREAD])
async def test_agent_that_cannot_tell(report: LiveReport) -> None:
    """A prediction is better than no answer, unless only the sidecar's configuration is asked for."""
    found = await explained(world(report))
    assert (found.agent, found.explanation.expected.outcome) == (None, Outcome.REGISTERED)
    if report.problem:
        with pytest.raises(FailedPrecondition, match="the sidecar did not respond") as caught:
            await explained(world(report), Basis.LIVE)
        assert caught.value.reason == "LIVE_UNAVAILABLE"
    else:
        assert (await explained(world(report), Basis.LIVE)).explanation.expected.outcome is Outcome.INCONCLUSIVE


async def test_agent_that_is_lost() -> None:
    """The same if it does not answer at all."""
    assert (await explained(world(agents=LostAgents()))).agent is None
    with pytest.raises(Unavailable):
        await explained(world(agents=LostAgents()), Basis.LIVE)


async def test_policy_that_is_not_applied_yet() -> None:
    """The sidecar can't have it, so it is predicted; the sidecar is compared with what is applied."""
    mesh = world(BLOCKED)
    mesh.delete(BANK)
    found = await explained(mesh)
    assert (found.agent, found.explanation.expected.outcome) == (None, Outcome.BLOCKED)
    live = await explained(mesh, Basis.LIVE)
    assert live.explanation.revision == 3
    assert "EGR0611" in {finding.code for finding in live.explanation.findings}


async def test_past_the_sidecar() -> None:
    """Its configuration does not decide about connections that bypass it."""
    mesh = world(BLOCKED, more=(interception(exclude_cidrs=("203.0.113.0/24",)),))
    found = await explained(mesh)
    assert (found.agent, found.explanation.live) == (None, None)
    assert found.explanation.expected.outcome is Outcome.BYPASSED
    captured = replace(BLOCKED, address="198.51.100.1")
    assert (await explained(world(captured))).agent is not None
