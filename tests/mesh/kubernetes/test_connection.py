"""The API server is down, hangs, loses its history, or denies permission."""

import asyncio

import pytest

from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.targets.kubernetes.factory import open_kubernetes
from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.cluster.control_plane import ApiServer
from tests.mesh.harness.run.run import PATIENCE_SECONDS
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import entry
from tests.support.sealing import OpenSealer

ISTIO = "/apis/networking.istio.io/v1"


async def failure(driver: Driver) -> TransientError:
    """Why the target can't look, once it notices."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await driver.target.gather()
            except TransientError as error:
                return error
            await asyncio.sleep(0.1)


async def test_a_server_that_is_gone_is_unreachable_and_comes_back(driver: Driver, server: ApiServer) -> None:
    """Although its last state is still cached; both are reported to watchers."""
    await driver.reconcile(entry("bank"))
    events = driver.events
    with server.stopped():
        assert (await failure(driver)).reason == "UNREACHABLE"
        assert driver.events > events
        with pytest.raises(TransientError) as raised:
            await driver.target.apply(upsert=[], delete=[], witness=None)
        assert raised.value.reason == "UNREACHABLE"
    live = await driver.until_reachable()
    assert [obj["kind"] for obj in live.objects.values()] == ["ServiceEntry"]
    assert await driver.reconcile(entry("coin")) == {}


async def test_a_server_that_hangs_is_unreachable(driver: Driver, server: ApiServer) -> None:
    """Its connections stay open, and nothing comes."""
    await driver.target.gather()
    with server.frozen():
        assert (await failure(driver)).reason == "UNREACHABLE"
    await driver.until_reachable()


async def test_changes_while_the_server_was_down_are_noticed(driver: Driver, server: ApiServer, api: Api) -> None:
    """The watch resumes, or lists again."""
    await driver.reconcile(entry("bank"), entry("coin"))
    with server.stopped():
        await failure(driver)
    api.delete(f"{ISTIO}/namespaces/default/serviceentries/bank")
    await driver.until_reachable()
    live = await driver.until(lambda live: len(live.objects) == 1)
    assert [obj["metadata"]["name"] for obj in live.objects.values()] == ["coin"]


async def test_missing_rights_are_all_named_at_once(server: ApiServer) -> None:
    """Before anything is tried."""
    cluster = cluster_of(server, "stranger")
    with pytest.raises(PermanentError) as raised:
        await open_kubernetes(cluster, OpenSealer())
    assert raised.value.reason == "PERMISSIONS_MISSING"
    for right in ("create serviceentries.networking.istio.io", "patch configmaps in istio-system", "list services"):
        assert right in raised.value.message


async def test_a_cluster_is_opened_by_its_credentials(server: ApiServer) -> None:
    """As they were sealed."""
    target = await open_kubernetes(cluster_of(server, "admin"), OpenSealer())
    try:
        assert (await target.gather()).witness is None
    finally:
        await target.close()


def cluster_of(server: ApiServer, user: str) -> Cluster:
    """A registration with the credentials of that user."""
    sealed = OpenSealer().seal(server.kubeconfig(user).read_text())
    settings = KubernetesTarget(kubeconfig=sealed)
    return Cluster("meshes/default/clusters/c0", settings)
