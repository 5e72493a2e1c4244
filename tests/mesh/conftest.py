"""The meshes of a run: started once, shared by all tests, which leave them as they found them."""

from collections.abc import Iterator

import pytest

from tests.mesh.binaries import Binaries, find_or_build, tell
from tests.mesh.mesh import Mesh, running_meshes
from tests.mesh.run import Run
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
