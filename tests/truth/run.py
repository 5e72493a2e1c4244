"""Asks about worlds until enough questions are answered."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from egress_server.domain.live.config import SidecarConfig
from egress_server.domain.live.decision import LiveDecision
from tests.truth.cluster.cluster import Shown, TruthCluster
from tests.truth.compare import Answer, identity_of, live_answer, live_config, model_answers
from tests.truth.features import FEATURES
from tests.truth.mutate.judge import Recorded
from tests.truth.world import Question, World


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question about a world to which there are different answers."""

    world: World
    question: Question
    model: Answer
    istiod: Answer
    decision: LiveDecision

    @property
    def kind(self) -> str:
        """What differs: similar disagreements have the same."""
        what: list[tuple[str, object, object]] = [("outcome", self.model.outcomes, self.istiod.outcomes)]
        what += [("routed by", self.model.routed_by, self.istiod.routed_by)]
        what += [("upstream", self.model.upstreams, self.istiod.upstreams)]
        differing = next((name for name, ours, theirs in what if ours != theirs), "nothing")
        outcomes = f"{_outcomes(self.model)} / {_outcomes(self.istiod)}" if differing == "outcome" else ""
        return " ".join(filter(None, [self.question.scheme, differing, outcomes]))

    def __str__(self) -> str:
        """The world, the question and the answers."""
        lines = [f"# seed {self.world.seed}: {self.kind}", str(self.world), f"question {self.question}"]
        lines += [f"model    {self.model}", f"istiod   {self.istiod}", f"         {self.decision}"]
        return "\n".join(lines)


@dataclass(slots=True)
class Tally:
    """The questions so far: how many, how many without an answer, and the outcomes."""

    asked: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Why the cluster refused managed resources."""
    found: list[Disagreement] = field(default_factory=list)
    agreed: list[Recorded] = field(default_factory=list)


def ask(cluster: TruthCluster, world: World, tally: Tally) -> Shown:
    """Asks all questions about a world, which is shown for that."""
    shown = cluster.show(world)
    tally.found += list(disagreements(cluster, shown, tally))
    return shown


def disagreements(cluster: TruthCluster, shown: Shown, tally: Tally) -> Iterator[Disagreement]:
    """The questions to which the answers differ."""
    configs: dict[str, SidecarConfig] = {}
    for question in shown.world.questions:
        identity = identity_of(shown.world, question)
        if str(identity) not in configs:
            configs[str(identity)] = live_config(cluster.configuration(identity))
        live, decision = live_answer(configs[str(identity)], question)
        tally.asked += 1
        if live is None:
            tally.undecided.update(decision.undecided)
            continue
        tally.outcomes.update([_outcomes(live)])
        world = shown.world.only(question)
        models = model_answers(shown.effective, question)
        if not decision.routes and not live.routed_by:
            # Not every filter chain says which VirtualService it comes from.
            models = [replace(model, routed_by="") for model in models]
        if live not in models:
            yield Disagreement(world, question, models[0], live, decision)
        else:
            names_route = bool(decision.routes or live.routed_by)
            tally.agreed.append(Recorded(shown.effective, question, live, names_route))


def shrink(cluster: TruthCluster, found: Disagreement) -> Disagreement:
    """The smallest world in which the same answers differ."""
    smallest, progress = found, True
    while progress:
        progress = False
        for world in smallest.world.smaller():
            again = Tally()
            ask(cluster, world, again)
            if again.found and again.found[0].kind == found.kind:
                smallest, progress = again.found[0], True
                break
    return smallest


def count_deciding(cluster: TruthCluster, shown: Shown, shares: Counter[str]) -> None:
    """Counts, for each feature, the questions about a world that istiod answers differently without it."""
    usual = _decisions(cluster, shown.world)
    for feature in FEATURES:
        without = feature.without(shown.world)
        if without != shown.world and len(cluster.admitted(without).objects) == len(without.objects):
            cluster.show(without)
            there = _decisions(cluster, without)
            shares[feature.name] += sum(one != other for one, other in zip(usual, there, strict=True))


def _decisions(cluster: TruthCluster, world: World) -> list[object]:
    """What decides about each question, without what does not matter to the connection."""
    configs = {}
    decisions: list[object] = []
    for question in world.questions:
        identity = identity_of(world, question)
        if str(identity) not in configs:
            configs[str(identity)] = live_config(cluster.configuration(identity))
        decision = live_answer(configs[str(identity)], question)[1]
        to = [(u.cluster, u.outcome, u.endpoints, u.originates_tls, u.sni) for u in decision.upstreams]
        routes = [(route.owner, route.status, route.location, route.fault) for route in decision.routes]
        decisions.append((decision.outcome, decision.cause, dict(decision.shares), decision.owner, to, routes))
    return decisions


def _outcomes(answer: Answer) -> str:
    return "+".join(sorted(outcome.value for outcome in answer.outcomes))
