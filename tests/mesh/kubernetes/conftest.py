"""One API server for all tests here; each finds it empty of Istio's objects."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.mesh.harness.cluster.addresses import ServiceRange
from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.cluster.binaries import Binaries
from tests.mesh.harness.cluster.control_plane import ApiServer
from tests.mesh.harness.cluster.saved_state import SavedState
from tests.mesh.harness.run.run import Run, command, eventually
from tests.mesh.kubernetes.driver import Driver

RANGES = ServiceRange("10.220.0.0/16", "fd00:220::/108")


@pytest.fixture(scope="session")
def server(run: Run, binaries: Binaries) -> ApiServer:
    """The API server, with the namespaces `default`, `shop` and `istio-system`, and Istio's kinds."""
    folder = run.make_folder("kubernetes")
    server = ApiServer(run, binaries, folder, RANGES)
    server.start()
    where: list[str | Path] = ["--namespace", "istio-system", "--create-namespace", "--kubeconfig", server.kubeconfig()]
    command(binaries.helm, "install", "istio-base", binaries.chart("base"), *where, env={"HOME": str(folder)})
    with server.api() as api:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        eventually(lambda: SavedState.of(api), "the new kinds served")
    return server


@pytest.fixture(scope="session")
def api(server: ApiServer) -> Iterator[Api]:
    """A client with all rights."""
    with server.api() as api:
        yield api


@pytest.fixture(scope="session")
def _usual(api: Api) -> SavedState:
    """What it holds before the first test."""
    return SavedState.of(api)


@pytest.fixture(autouse=True)
def _restore(api: Api, _usual: SavedState) -> Iterator[None]:
    """Each test finds the API server as the first one did."""
    yield
    eventually(lambda: SavedState.of(api), "all kinds served again, if the server was down")
    _usual.restore(api)


@pytest.fixture
async def driver(server: ApiServer) -> AsyncIterator[Driver]:
    """Drives the API server's cluster by the target, as the loop would."""
    driver = await Driver.open(server)
    yield driver
    await driver.close()
