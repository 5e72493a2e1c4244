"""Two clusters under one egressd: one policy for both, and a cluster that is down delays only itself."""

from collections.abc import Iterator

import pytest

from egress import ClusterRollout, EgressClient
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.observed import Observer
from tests.mesh.harness.run.run import Run, eventually

STRANGER = "http://nobody.example.com/"


@pytest.fixture
def fleet(run: Run, meshes: list[Mesh]) -> Iterator[Egressd]:
    """Both meshes registered, with an agent in each one's workload."""
    with Egressd(run) as egressd:
        for mesh in meshes:
            egressd.register(mesh)
            egressd.agent(mesh.workloads[0])
        yield egressd


def rollouts(client: EgressClient, revision: int) -> dict[str, str]:
    """The state of a change on each cluster."""
    change = f"meshes/default/changes/{revision}"
    states = client.list_cluster_rollouts(change)
    return {each.cluster.rpartition("/")[2]: ClusterRollout.State.Name(each.state) for each in states}


def test_a_cluster_that_was_down_catches_up(fleet: Egressd, meshes: list[Mesh]) -> None:
    """The other one is served meanwhile; the cluster that is down keeps its objects, and is shown as OFFLINE."""
    here, away = meshes
    with away.server.stopped():
        change = fleet.client.set_outbound_policy("REGISTRY_ONLY").change
        Observer(fleet, here.workloads[0]).sees(STRANGER, "BLOCKED", 502)
        eventually(
            lambda: (
                rollouts(fleet.client, change.revision) == {"c0": "APPLIED", "c1": "OFFLINE"}
                or rollouts(fleet.client, change.revision) == {"c0": "VERIFIED", "c1": "OFFLINE"}
            ),
            "one applied, one offline",
        )
        assert away.workloads[0].curl(STRANGER).status == 301
    Observer(fleet, away.workloads[0]).sees(STRANGER, "BLOCKED", 502)
    fleet.client.wait_change(change.name, until="applied", timeout=60)


def test_a_cluster_that_hangs_holds_up_only_itself(fleet: Egressd, meshes: list[Mesh]) -> None:
    """An API server that accepts connections and never responds has the same effect."""
    here, away = meshes
    with away.server.frozen():
        fleet.client.set_outbound_policy("REGISTRY_ONLY")
        Observer(fleet, here.workloads[0]).sees(STRANGER, "BLOCKED", 502)
    Observer(fleet, away.workloads[0]).sees(STRANGER, "BLOCKED", 502)


def test_a_policy_for_one_cluster(fleet: Egressd, meshes: list[Mesh]) -> None:
    """Selected by name it applies there alone, and overrides the policy for all."""
    first, second = (Observer(fleet, mesh.workloads[0]) for mesh in meshes)
    fleet.ctl("outbound", "set", "REGISTRY_ONLY", "--cluster", "c1", "--id", "one", "--wait", "applied")
    second.sees(STRANGER, "BLOCKED", 502)
    first.sees(STRANGER, "PASSTHROUGH", 301)
    fleet.ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "applied")
    fleet.ctl("outbound", "set", "ALLOW_ANY", "--cluster", "c1", "--id", "one", "--wait", "applied")
    first.sees(STRANGER, "BLOCKED", 502)
    second.sees(STRANGER, "PASSTHROUGH", 301)


def test_egressd_is_gone_and_nothing_changes(fleet: Egressd, meshes: list[Mesh]) -> None:
    """Killed, it leaves policy as it is; restarted, it resumes."""
    fleet.client.set_outbound_policy("REGISTRY_ONLY").wait(until="applied")
    pods = [Observer(fleet, mesh.workloads[0]) for mesh in meshes]
    for pod in pods:
        pod.sees(STRANGER, "BLOCKED", 502)
    before = [mesh.saved_state() for mesh in meshes]
    fleet.kill()
    for mesh in meshes:
        assert mesh.workloads[0].curl(STRANGER).status == 502
    fleet.start()
    eventually(lambda: len(list(fleet.client.list_agents())) == len(meshes), "the agents are back")
    for pod in pods:
        pod.sees(STRANGER, "BLOCKED", 502)
    for held, mesh in zip(before, meshes, strict=True):
        differences = [line for line in held.differences(mesh.saved_state()) if "egress-state" not in line]
        assert differences == []
