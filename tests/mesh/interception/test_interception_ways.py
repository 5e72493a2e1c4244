"""Which connections go through the sidecar, by the injector's real iptables: every setting, for every scope."""

import json
from collections.abc import Iterator

import pytest

from tests.mesh.harness.cluster.injection import init_arguments, try_pod
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.observed import Observer
from tests.mesh.harness.run.run import Run, eventually
from tests.mesh.harness.workload.workload import Workload

A, B = "http://198.51.100.30/", "http://203.0.113.30/"
A_8080 = "http://198.51.100.30:8080/"
CAPTURED, PAST = "PASSTHROUGH", "BYPASSED"

CASES = {
    "--include 198.51.100.0/24": {A: CAPTURED, B: PAST},
    "--exclude 198.51.100.0/24": {A: PAST, B: CAPTURED},
    "--include 198.51.100.0/24 --exclude 198.51.100.16/28": {A: PAST, B: PAST},
    "--include 198.51.100.0/24 --exclude 198.51.100.64/26": {A: CAPTURED, B: PAST},
    "--exclude-ports 8080": {A: CAPTURED, A_8080: PAST},
    "--include 203.0.113.0/24 --include-ports 8080": {A: PAST, A_8080: CAPTURED, B: CAPTURED},
    "--none --include-ports 8080": {A: PAST, A_8080: CAPTURED, B: PAST},
    "--none": {A: PAST, A_8080: PAST, B: PAST},
    "--include *": {A: CAPTURED, B: CAPTURED},
}
BAD = (
    "--include 198.51.100.1",
    "--include 198.51.100.0/33",
    "--include 300.0.0.0/8",
    "--include 198.51.100.7/24",
    "--include *,10.0.0.0/8",
    "--exclude nonsense",
    "--exclude-ports 70000",
    "--exclude-ports 0",
)


@pytest.fixture
def egressd(run: Run, mesh: Mesh) -> Iterator[Egressd]:
    """An egressd that manages the mesh."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        yield egressd


def test_every_setting(egressd: Egressd, curl: Workload, subtests: pytest.Subtests) -> None:
    """A new pod is captured as the policy says; the probe sees what the policy says, and curl agrees."""
    egressd.agent(curl)
    pod = Observer(egressd, curl)
    for words, expected in CASES.items():
        with subtests.test(words):
            egressd.ctl("intercept", "set", *words.split(), "--wait", "applied")
            curl.recreate()
            for url, outcome in expected.items():
                answer = pod.sees(url, outcome, 301)
                if outcome == PAST:
                    assert answer.headers["server"] == "Tengine"


def test_bad_ranges_are_refused_before_any_pod_breaks(egressd: Egressd, mesh: Mesh) -> None:
    """The refusal names the field; the injector's values and what a new pod gets are as they were."""
    with mesh.api() as api:
        before = mesh.saved_state(), init_arguments(try_pod(api))
        for words in BAD:
            said = egressd.ctl("intercept", "set", *words.split(), "--wait", "applied", code=1)
            assert words.split()[0].removeprefix("--").split("-")[0] in said.stderr, words
        assert init_arguments(try_pod(api)) == before[1]
    assert before[0].differences(mesh.saved_state()) == []


def test_a_namespace_and_a_workload_have_their_own(egressd: Egressd, mesh: Mesh, curl: Workload) -> None:
    """The narrower scope applies to its own new pods only."""
    mesh.namespace("team")
    egressd.ctl("intercept", "set", "--exclude", "198.51.100.0/24", "-n", "team", "--wait", "applied")
    only = ("--include", "198.51.100.0/24", "-n", "team", "--label", "app=special")
    egressd.ctl("intercept", "set", *only, "--wait", "applied")
    eventually(lambda: "198.51.100.0/24" in _new_pod(mesh, "app=plain")["excludeOutboundIPRanges"], "the namespace's")
    eventually(lambda: "198.51.100.0/24" in _new_pod(mesh, "app=special")["includeOutboundIPRanges"], "the workload's")
    plain, special = mesh.workload("plain", "team"), mesh.workload("special", "team")
    seen = {workload.name: [not workload.curl(url).by_envoy for url in (A, B)] for workload in (curl, plain, special)}
    assert seen == {"curl": [False, False], "plain": [True, False], "special": [False, True]}


def _new_pod(mesh: Mesh, label: str) -> dict[str, str]:
    """What a new pod of `team` carries of Istio's annotations; it is not kept. The API server reads its policies in the
    background."""
    account = json.dumps({"spec": {"serviceAccountName": "default"}})
    words = ("run", "new", "--image=app", "-n", "team", "-l", label, "--overrides", account, "--dry-run=server")
    made = json.loads(mesh.kubectl(*words, "-o", "json"))
    return {name.rpartition("/")[2]: value for name, value in made["metadata"]["annotations"].items()}


def test_stale_workloads_are_restarted_when_asked(egressd: Egressd, mesh: Mesh, curl: Workload) -> None:
    """They are reported, run on as they are, and follow the new rules after a restart; one that does not become ready
    stops the rest."""
    other = mesh.workload("other")
    egressd.ctl("intercept", "set", "--include", "198.51.100.0/24", "--wait", "applied")

    def stale() -> set[str]:
        return {each.name for each in egressd.client.list_stale_workloads(mesh.name)}

    eventually(lambda: stale() >= {"curl", "other"}, "both are reported")
    assert "curl" in egressd.ctl("cluster", "stale", mesh.name).stdout
    assert curl.curl(B).by_envoy
    egressd.ctl("cluster", "restart", mesh.name, "Deployment/default/other", "--wait")
    other.await_ready()
    assert not other.curl(B).by_envoy
    assert curl.curl(B).by_envoy
    eventually(lambda: "curl" in stale() and "other" not in stale(), "only one is reported")


def test_a_restart_stops_at_the_first_that_does_not_come_back(egressd: Egressd, mesh: Mesh) -> None:
    """What comes after it is left alone."""
    names = ("first", "second", "third")
    for name in names:
        mesh.workload(name)
    before = {name: mesh.get("deployment", name)["spec"]["template"] for name in names}
    egressd.ctl("intercept", "set", "--include", "198.51.100.0/24", "--wait", "applied")
    mesh.kubelet.stick("default", "second")
    try:
        words = [f"Deployment/default/{name}" for name in names]
        egressd.ctl("cluster", "restart", mesh.name, *words, "--wait", "--timeout", "20s", code=3)
        changed = [name for name in names if mesh.get("deployment", name)["spec"]["template"] != before[name]]
        assert changed == ["first", "second"]
    finally:
        mesh.kubelet.unstick("default", "second")
    eventually(lambda: len(mesh.get("pods", "-l", "app=second")["items"]) == 1, "the second is back")
