"""Whether the model and the configuration by istiod say the same about a question."""

from dataclasses import dataclass

from egress_server.domain.desired.effective import Effective
from egress_server.domain.live.config import SidecarConfig, sidecar_config
from egress_server.domain.live.decision import LiveDecision
from egress_server.domain.live.decision import Question as LiveQuestion
from egress_server.domain.live.evaluate import evaluate as evaluate_live
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Expectation, Outcome, Upstream
from egress_server.domain.simulate.evaluate import Request, evaluate
from tests.mesh.harness.xds.client import Configuration, Identity
from tests.truth.world import Question, World

_ADDRESSES = {"IPv4": ("10.99.0.1",), "IPv6": ("fd00:99::1",), "dual": ("10.99.0.1", "fd00:99::1")}


@dataclass(frozen=True, slots=True)
class Answer:
    """What happens to a connection: its possible outcomes, the services that it may reach (HOST:PORT or
    HOST:PORT/SUBSET), and the VirtualService that routes it."""

    outcomes: frozenset[Outcome]
    upstreams: frozenset[str] = frozenset()
    routed_by: str = ""

    def __str__(self) -> str:
        """On one line."""
        outcomes = " or ".join(sorted(outcome.value for outcome in self.outcomes))
        to = f" to {', '.join(sorted(self.upstreams))}" if self.upstreams else ""
        return f"{outcomes}{to}{f' by {self.routed_by}' if self.routed_by else ''}"


def identity_of(world: World, question: Question) -> Identity:
    """The workload that asks."""
    addresses = _ADDRESSES[question.family]
    return Identity(question.namespace, "client", question.labels, addresses, dns_capture=world.captures_dns)


def live_config(sent: Configuration) -> SidecarConfig:
    """What istiod has sent, for the live evaluator."""
    return sidecar_config(sent.listeners, sent.routes, sent.clusters, sent.endpoints)


def model_answers(effective: Effective, question: Question) -> list[Answer]:
    """What the model says: several answers if istiod takes services of equal age in random order."""
    return [_of_expectation(each) for each in evaluate(effective, _request(question)).expectations]


def live_answer(config: SidecarConfig, question: Question) -> tuple[Answer | None, LiveDecision]:
    """What the configuration says, None if it leaves that open; and the whole decision."""
    asked = LiveQuestion(_destination(question), question.address, question.method, dict(question.headers))
    decision = evaluate_live(config, asked)
    if decision.undecided:
        return None, decision
    outcomes = frozenset(outcome for outcome, share in decision.shares.items() if share > 0)
    reached = {
        _name(each.host, each.port, each.subset)
        for each in decision.upstreams
        if each.share > 0 and each.host and each.outcome is Outcome.REGISTERED
    }
    return Answer(outcomes, frozenset(reached if Outcome.REGISTERED in outcomes else ()), decision.owner), decision


def _of_expectation(expectation: Expectation) -> Answer:
    outcomes = frozenset([expectation.outcome, *expectation.also])
    reached = frozenset(_upstream(each) for each in expectation.upstreams)
    return Answer(outcomes, reached if Outcome.REGISTERED in outcomes else frozenset(), expectation.routed_by)


def _upstream(upstream: Upstream) -> str:
    return _name(upstream.host, upstream.port, upstream.subset)


def _name(host: str, port: int, subset: str) -> str:
    return f"{host}:{port}{f'/{subset}' if subset else ''}"


def _destination(question: Question) -> Destination:
    return Destination(question.scheme, question.host, question.port, question.path)


def _request(question: Question) -> Request:
    return Request(
        _destination(question),
        question.namespace,
        dict(question.labels),
        address=question.address,
        headers=dict(question.headers),
        method=question.method,
    )
