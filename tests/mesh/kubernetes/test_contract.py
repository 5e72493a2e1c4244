"""The kubernetes target passes the contract suite over a real API server too."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import kubeconfig_connection
from tests.contract.target import test_apply, test_drift, test_failures, test_faults, test_foreign, test_release
from tests.contract.target import test_witness as witness_tests
from tests.contract.target.benches.kubernetes import KubernetesBench
from tests.mesh.harness.cluster.api import Api, Object
from tests.mesh.harness.cluster.control_plane import ApiServer


class RealApi:
    """See KubernetesApi."""

    def __init__(self, server: ApiServer, api: Api) -> None:
        self._server = server
        self._api = api
        self.down = False

    async def request(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """See KubernetesApi."""
        return await asyncio.to_thread(self._api.request, method, path, body, **query)

    async def take_down(self) -> None:
        """See KubernetesApi."""
        self.down = True
        await asyncio.to_thread(self._server.stop_server)

    async def bring_back(self) -> None:
        """See KubernetesApi."""
        await asyncio.to_thread(self._server.start_server)
        self.down = False


@pytest.fixture
async def bench(server: ApiServer, api: Api) -> AsyncIterator[KubernetesBench]:
    """The API server's cluster, with a process that has all rights."""

    async def connect() -> ApiClient:
        return ApiClient(await kubeconfig_connection(server.kubeconfig().read_text()))

    real = RealApi(server, api)
    bench = KubernetesBench(real, connect)
    await bench.start()
    yield bench
    if real.down:
        await real.bring_back()
    await bench.close()


SUITE = (test_apply, test_drift, test_failures, test_faults, test_foreign, test_release, witness_tests)
globals().update({name: each for module in SUITE for name, each in vars(module).items() if name.startswith("test_")})
