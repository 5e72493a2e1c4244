"""Confirms a sample of the answers by curl and Probe in real workloads."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random

from egress_server.domain.live.decision import LiveDecision
from egress_server.domain.probe.verdicts import Outcome
from tests.truth.cluster.cluster import Shown, TruthCluster
from tests.truth.compare import live_answer, live_config, model_answers
from tests.truth.workload.client import Client
from tests.truth.workload.expect import problem
from tests.truth.world import Question, World

_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What a workload saw that the configuration, the model or Probe contradicts."""

    world: World
    question: Question
    what: str

    def __str__(self) -> str:
        """The world, the question, and what was seen."""
        return f"# seed {self.world.seed}: {self.what.partition(':')[0]}\n{self.world}\n{self.question}\n{self.what}"


@dataclass(slots=True)
class Confirmation:
    """How many answers curl and Probe confirmed, and what contradicts."""

    by_curl: int = 0
    by_probe: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    found: list[Contradiction] = field(default_factory=list)


def confirm(cluster: TruthCluster, shown: Shown, clients: Sequence[Client], count: int, into: Confirmation) -> None:
    """Asks `count` of the world's questions in each workload, in all of them at once. The workloads' sidecars don't
    answer DNS queries, so worlds where they should are left out."""
    if shown.world.captures_dns:
        return
    source = Random(shown.world.seed)
    asked = [source.sample(shown.world.questions, min(count, len(shown.world.questions))) for _ in clients]
    if clients:
        with ThreadPoolExecutor(len(clients)) as pool:
            jobs = [
                pool.submit(_confirm, cluster, shown, client, its, into)
                for client, its in zip(clients, asked, strict=True)
            ]
            for job in jobs:
                job.result()


def _confirm(
    cluster: TruthCluster, shown: Shown, client: Client, asked: Sequence[Question], into: Confirmation
) -> None:
    questions = [replace(each, namespace=client.namespace, labels=client.identity.labels) for each in asked]
    decisions, held = _decisions(cluster, client, questions)
    for question, decision, other in zip(questions, decisions, held, strict=True):
        if not _same(other, decision):
            into.found.append(Contradiction(shown.world, question, f"sidecar: {other}; istiod sends {decision}"))
            continue
        for what in _contradictions(shown, client, question, decision, into):
            into.found.append(Contradiction(shown.world, question, what))


def _decisions(
    cluster: TruthCluster, client: Client, questions: Sequence[Question]
) -> tuple[list[LiveDecision], list[LiveDecision]]:
    """What the configuration says as istiod sends it, and as the workload's sidecar has it: the same, unless it takes
    too long."""
    sent = live_config(cluster.configuration(client.identity))
    wanted = [live_answer(sent, question)[1] for question in questions]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        config = client.config()
        held = [live_answer(config, question)[1] for question in questions]
        agree = all(_same(one, other) for one, other in zip(held, wanted, strict=True))
        if agree or time.monotonic() > deadline:
            return wanted, held
        time.sleep(_POLL_SECONDS)


def _same(held: LiveDecision, sent: LiveDecision) -> bool:
    """Whether both come from the same configuration. Only a sidecar resolves names."""
    clusters = [{upstream.cluster for upstream in each.upstreams} for each in (held, sent)]
    routes = [[(route.name, route.owner, route.fault) for route in each.routes] for each in (held, sent)]
    return held.outcome is sent.outcome and clusters[0] == clusters[1] and routes[0] == routes[1]


def _contradictions(
    shown: Shown, client: Client, question: Question, decision: LiveDecision, into: Confirmation
) -> Iterator[str]:
    seen = client.curl(question)
    found = problem(decision, question, seen)
    if found is None:
        return
    into.by_curl += 1
    if found:
        yield f"curl: {found}; saw {seen}; configuration says {decision}"
    models = model_answers(shown.effective, question)
    if all(frozenset([decision.outcome]) != model.outcomes for model in models):
        yield f"model: {' or '.join(map(str, models))}; curl saw {seen}; configuration says {decision}"
    if question.method == "POST":
        return
    probed = client.probe(question)
    if probed["refused"]:
        into.refused[probed["refused"]] += 1
        return
    into.by_probe += 1
    outcome = Outcome(probed["outcome"])
    upstreams = {upstream.cluster for upstream in decision.upstreams}
    if outcome is not decision.outcome:
        yield f"probe: {probed}; curl saw {seen}; configuration says {decision}"
    elif outcome is Outcome.REGISTERED and probed["upstream"] not in upstreams:
        yield f"probe upstream: {probed}; configuration says {decision}"
    elif decision.owner and probed["routed_by"] and decision.owner not in probed["routed_by"]:
        yield f"probe route: {probed}; configuration says {decision}"
