"""What the model says about random worlds is what istiod configures, and what curl and Probe see: a short run of
`make truth`, whose worlds are the same every time."""

from collections.abc import Iterator

import pytest

from tests.mesh.harness.cluster.binaries import Binaries
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import Run
from tests.truth.cluster.cluster import ISTIOD, TruthCluster
from tests.truth.confirm import Confirmation, confirm
from tests.truth.generate.world import random_world
from tests.truth.run import Tally, ask, shrink
from tests.truth.workload.client import Client, start_clients

_MESH, _NETWORK = 7, "10.207"
_SEEDS, _CONFIRMED_WORLDS = range(6, 30), 4
_QUESTIONS, _CONFIRMED_QUESTIONS = 25, 5


@pytest.fixture
def own_mesh(run: Run, binaries: Binaries) -> Iterator[Mesh]:
    """A mesh whose API server holds nothing but worlds."""
    mesh = Mesh(run, binaries, _MESH, ISTIOD)
    mesh.start()
    yield mesh
    mesh.stop()


@pytest.fixture
def cluster(own_mesh: Mesh) -> Iterator[TruthCluster]:
    """The cluster that shows worlds."""
    cluster = TruthCluster(own_mesh)
    yield cluster
    cluster.close()


@pytest.fixture
def clients(own_mesh: Mesh, cluster: TruthCluster) -> Iterator[list[Client]]:
    """Workloads in different namespaces, with different labels."""
    clients = start_clients(own_mesh)
    yield clients
    for client in clients:
        client.close()


def test_random_worlds(cluster: TruthCluster, clients: list[Client]) -> None:
    """Model, istiod, curl and Probe agree about all questions; curl and Probe answer a sample of them."""
    tally, confirmation = Tally(), Confirmation()
    for number, seed in enumerate(_SEEDS):
        shown = ask(cluster, cluster.admitted(random_world(seed, _NETWORK, _QUESTIONS)), tally)
        if number < _CONFIRMED_WORLDS:
            confirm(cluster, shown, clients, _CONFIRMED_QUESTIONS, confirmation)
    assert not tally.found, str(shrink(cluster, tally.found[0]))
    assert not confirmation.found, str(confirmation.found[0])
    assert tally.asked == len(_SEEDS) * _QUESTIONS
    assert confirmation.by_curl > _CONFIRMED_WORLDS * _CONFIRMED_QUESTIONS
    assert confirmation.by_probe > 0
