"""The evaluator of Envoy's configuration against Envoy: captured configurations of istiod, and handwritten ones."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from egress_server.domain.live.config import SidecarConfig, sidecar_config
from egress_server.domain.live.decision import LiveDecision, LiveUpstream
from egress_server.domain.live.evaluate import evaluate
from egress_server.domain.probe.verdicts import Outcome
from tests.integration.live.handwritten import HANDWRITTEN
from tests.integration.live.judge import Judge, Observed
from tests.integration.live.questions import questions
from tests.support.paths import ROOT

DATA = ROOT / "tests/data/live"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One Envoy for all configurations."""
    running = Judge(tmp_path_factory.mktemp("judge") / "e")
    try:
        yield running
    finally:
        await running.stop()


def captured(path: Path) -> SidecarConfig:
    """A configuration of istiod, with endpoints within its clusters."""
    data = orjson.loads(path.read_bytes())
    config = sidecar_config(data["listeners"], data["routes"], data["clusters"], data["endpoints"])
    return with_static_endpoints(config)


def with_static_endpoints(config: SidecarConfig) -> SidecarConfig:
    """Every cluster that has a list of endpoints is STATIC, with the same ones."""
    clusters: list[dict[str, Any]] = []
    for name, cluster in config.clusters.items():
        if cluster.get("type", "STATIC") == "ORIGINAL_DST" or "cluster_type" in cluster:
            clusters.append(dict(cluster))
        else:
            listed = config.endpoints.get(name) or cluster.get("load_assignment", {})
            clusters.append({**cluster, "type": "STATIC", "load_assignment": dict(listed)})
    return sidecar_config(config.listeners, config.routes.values(), clusters, ())


def possible(decision: LiveDecision, *, http: bool) -> set[Observed]:
    """What a client may see if the decision is right."""
    if decision.cause == "WAITS_FOR_CLIENT":
        return {Observed(waits=True)}
    if not decision.routes:
        own = Observed(status=400) if http and decision.cause == "NOT_HTTP" else Observed()
        return {_reached(each, http=False) for each in decision.upstreams} or {own}
    found = set()
    for route in decision.routes:
        fault = route.fault
        if fault and fault.abort_share:
            found.add(Observed(status=fault.http_status or 200))
        if fault and fault.abort_share >= 1:
            continue
        if route.status:
            found.add(Observed(status=route.status))
        else:
            found |= {_reached(each, http=True) for each in decision.upstreams}
    return found


def _reached(upstream: LiveUpstream, *, http: bool) -> Observed:
    if upstream.outcome in {Outcome.REGISTERED, Outcome.PASSTHROUGH}:
        return Observed(upstream.cluster)
    return Observed(status=503) if http else Observed()


CONFIGS = {path.stem: captured(path) for path in sorted(DATA.glob("*.json"))} | HANDWRITTEN


@pytest.mark.parametrize("name", sorted(CONFIGS))
@pytest.mark.asyncio(loop_scope="module")
async def test_envoy_does_what_the_evaluator_says(judge: Judge, name: str) -> None:
    """For questions of every kind about each host, address and port in the configuration. What is undecided is left
    out, and is not much; each kind of answer occurs."""
    config = CONFIGS[name]
    await judge.load(config)
    wrong, causes = [], Counter[str]()
    for question in questions(config):
        decision = evaluate(config, question)
        causes[decision.cause] += 1
        if decision.undecided:
            continue
        observed = await judge.ask(question)
        expected = possible(decision, http=question.destination.scheme == "http")
        if question.headers.get("content-type") == "application/grpc":  # what Envoy answers itself has gRPC's status
            expected = {replace(each, status=200) if each.status else each for each in expected}
        if observed not in expected:
            wrong.append((question, observed, decision))
    assert not wrong, f"{len(wrong)} of {causes.total()}: {wrong[:3]}"
    assert causes["UNDECIDED"] * 20 <= causes.total()
    assert len(causes) >= 3, causes
