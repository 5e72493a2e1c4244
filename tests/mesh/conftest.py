"""The meshes of a run: started once, shared by all tests, and put back after each test."""

from collections.abc import Callable, Iterator

import pytest

from tests.mesh.binaries import Binaries, find_or_build, tell
from tests.mesh.holdings import Holdings
from tests.mesh.mesh import Mesh, running_meshes
from tests.mesh.run import Run, eventually
from tests.mesh.workload import Workload


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The programs of a mesh."""
    return find_or_build(tell)


@pytest.fixture(scope="session")
def run(binaries: Binaries) -> Iterator[Run]:
    """What the tests start."""
    with Run() as run:
        yield run


@pytest.fixture(scope="session")
def meshes(run: Run, binaries: Binaries) -> Iterator[list[Mesh]]:
    """Two meshes with different service addresses and a workload `default/curl` each."""
    with running_meshes(run, binaries, 2) as meshes:
        for mesh in meshes:
            mesh.workload("curl")
        yield meshes


@pytest.fixture(scope="session")
def mesh(meshes: list[Mesh]) -> Mesh:
    """The first mesh."""
    return meshes[0]


@pytest.fixture(scope="session")
def curl(mesh: Mesh) -> Workload:
    """The workload of the first mesh."""
    return mesh.workloads[0]


@pytest.fixture(scope="session")
def _usual(meshes: list[Mesh]) -> list[tuple[Holdings, str]]:
    """What each mesh holds, and what its workload's sidecar does, before the first test."""
    return [(mesh.holdings(), mesh.workloads[0].sandbox.configuration()) for mesh in meshes]


@pytest.fixture(autouse=True)
def _put_back(meshes: list[Mesh], _usual: list[tuple[Holdings, str]]) -> Iterator[None]:
    """Each test finds the meshes as the first one did, down to the sidecar."""
    yield
    for mesh, (holdings, configuration) in zip(meshes, _usual, strict=True):
        mesh.world.forget()
        mesh.restore(holdings)
        mesh.workloads[0].await_ready()
        sandbox = mesh.workloads[0].sandbox
        eventually(lambda s=sandbox, c=configuration: s.configuration() == c, f"{mesh.name} as it was")  # type: ignore[misc]


@pytest.fixture
def foreign_unchanged(meshes: list[Mesh]) -> Iterator[Callable[[], None]]:
    """Holds at the end of the test, and whenever it is called, that the meshes say what they said at its start."""
    before = [mesh.holdings() for mesh in meshes]

    def check() -> None:
        for mesh, held in zip(meshes, before, strict=True):
            assert held.differences(mesh.holdings()) == [], mesh.name

    yield check
    check()
