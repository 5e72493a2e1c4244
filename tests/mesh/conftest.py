"""The meshes of a run: started once, shared by all tests, and restored after each test."""

from collections.abc import Callable, Iterator

import pytest

from tests.mesh.harness.cluster.binaries import Binaries, find_or_build, print_progress
from tests.mesh.harness.cluster.mesh import Mesh, running_meshes
from tests.mesh.harness.run.run import Run, eventually
from tests.mesh.harness.workload.workload import Workload


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The programs of a mesh."""
    return find_or_build(print_progress)


@pytest.fixture(scope="session")
def run(binaries: Binaries) -> Iterator[Run]:
    """What the tests start."""
    with Run() as run:
        yield run


class SharedMesh:
    """A mesh, and the state that it is restored to after each test."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        mesh.workload("curl")
        self._saved_state = mesh.saved_state()
        self._configuration = mesh.workloads[0].sandbox.configuration()
        self._rules = mesh.workloads[0].sandbox.rules()

    def restore(self) -> None:
        """Restores it to its state before the first test, down to the sidecar of its first workload."""
        workload = self.mesh.workloads[0]
        self.mesh.world.forget()
        self.mesh.restore(self._saved_state)
        workload.await_ready()
        if workload.sandbox.rules() != self._rules:
            workload.recreate()
        eventually(lambda: workload.sandbox.configuration() == self._configuration, f"{self.mesh.name} as it was")


@pytest.fixture(scope="session")
def _shared_meshes() -> list[SharedMesh]:
    """The meshes that have been started."""
    return []


@pytest.fixture(scope="session")
def mesh(run: Run, binaries: Binaries, _shared_meshes: list[SharedMesh]) -> Iterator[Mesh]:
    """A mesh with the workload `default/curl`."""
    with running_meshes(run, binaries, [0]) as [mesh]:
        _shared_meshes.append(SharedMesh(mesh))
        yield mesh


@pytest.fixture(scope="session")
def meshes(mesh: Mesh, run: Run, binaries: Binaries, _shared_meshes: list[SharedMesh]) -> Iterator[list[Mesh]]:
    """That mesh, and another one of the same kind with other service addresses."""
    with running_meshes(run, binaries, [1]) as [other]:
        _shared_meshes.append(SharedMesh(other))
        yield [mesh, other]


@pytest.fixture(scope="session")
def curl(mesh: Mesh) -> Workload:
    """The workload of the first mesh."""
    return mesh.workloads[0]


@pytest.fixture(autouse=True)
def _restore(_shared_meshes: list[SharedMesh]) -> Iterator[None]:
    """Each test finds the meshes as the first one did."""
    yield
    for shared in _shared_meshes:
        shared.restore()


@pytest.fixture
def foreign_unchanged(mesh: Mesh, _shared_meshes: list[SharedMesh]) -> Callable[[], None]:
    """Call it when nothing managed should be left: the meshes must hold what they held before the test. Request it
    before what is under test."""
    before = [(shared.mesh, shared.mesh.saved_state()) for shared in _shared_meshes]

    def check() -> None:
        for each, held in before:
            assert held.differences(each.saved_state()) == [], each.name

    return check
