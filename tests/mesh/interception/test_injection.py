"""Interception of a whole mesh: written to the ConfigMap that istiod reads, if new pods really get it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.resources import Interception
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import kubeconfig_connection
from egress_server.targets.kubernetes.interception.dry_run import InjectionDenied, InjectionDryRun
from egress_server.targets.kubernetes.target import Kubernetes
from tests.mesh.harness.cluster.api import Api, Object
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.kubernetes.driver import CLUSTER, Driver
from tests.support.egressd import free_port
from tests.support.meshes import interception

CONFIG_MAPS = "/api/v1/namespaces/istio-system/configmaps"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
INJECTOR = f"{CONFIG_MAPS}/istio-sidecar-injector"
EVERYTHING = {"-i": "*", "-x": "", "-q": None, "-o": None}


@pytest.fixture
async def driver(mesh: Mesh) -> AsyncIterator[Driver]:
    """A process that manages the mesh."""
    driver = await Driver.open(mesh.server)
    yield driver
    await driver.close()


@pytest.fixture
def api(mesh: Mesh) -> Iterator[Api]:
    """Of the mesh."""
    with mesh.server.api() as api:
        yield api


def args(api: Api) -> dict[str, str | None]:
    """The arguments of istio-init in a new pod; the pod is not created."""
    spec = {"serviceAccountName": "default", "containers": [{"name": "a", "image": "a"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new", "namespace": "default"}, "spec": spec}
    made = api.create(pod, namespace="default", dry_run=True)
    [words] = [each["args"] for each in made["spec"]["initContainers"] if each["name"] == "istio-init"]
    return {flag: words[words.index(flag) + 1] if flag in words else None for flag in EVERYTHING}


def values(api: Api, path: str = INJECTOR) -> Any:
    """What the ConfigMap says about the proxy."""
    return json.loads(api.get(path)["data"]["values"])["global"]["proxy"]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (interception(exclude_cidrs=("198.51.100.0/24", "2001:db8::/32")), {"-x": "198.51.100.0/24,2001:db8::/32"}),
        (interception(include_cidrs=("203.0.113.0/24",)), {"-i": "203.0.113.0/24"}),
        (interception(include_service_cidrs=True), {"-i": "10.200.0.0/16,fd00:200::/108"}),
        (interception(none=True, include_outbound_ports=(3306,)), {"-i": "", "-q": "3306"}),
        (interception(exclude_outbound_ports=(443, 3306)), {"-o": "443,3306"}),
    ],
)
async def test_new_pods_get_it_by_the_time_it_is_applied(
    driver: Driver, api: Api, foreign_unchanged: Callable[[], None], policy: Interception, told: dict[str, str]
) -> None:
    """And the former values after the release; helm's text is restored to the byte."""
    before = api.get(INJECTOR)["data"]
    assert args(api) == EVERYTHING
    assert await driver.reconcile(policy) == {}
    assert args(api) == EVERYTHING | told
    assert (await driver.plan(policy)).changes == ()
    await driver.release()
    assert api.get(INJECTOR)["data"] == before


async def test_a_helm_upgrade_is_drift(driver: Driver, api: Api, mesh: Mesh) -> None:
    """Helm writes its own values back; our values come back, and at the end helm's newer ones stay."""
    wanted = interception(exclude_cidrs=("198.51.100.0/24",), exclude_outbound_ports=(443,))
    await driver.reconcile(wanted)
    theirs = {"global.proxy.excludeIPRanges": "192.0.2.0/24"}
    mesh.helm("upgrade", "istiod", "istiod", {**mesh.istiod_values, **theirs})
    await driver.until(
        lambda live: any(obj["spec"].get("excludeIPRanges") == "192.0.2.0/24" for obj in live.objects.values())
    )
    assert await driver.reconcile(wanted) == {}
    assert values(api)["excludeIPRanges"] == "198.51.100.0/24"
    await driver.release()
    assert values(api)["excludeIPRanges"] == "192.0.2.0/24"
    assert values(api)["excludeOutboundPorts"] == ""


async def test_istiod_is_asked_before_anything_is_written(mesh: Mesh, api: Api) -> None:
    """istiod rejects in a pod's annotations what it does not validate in its own values."""
    client = ApiClient(await kubeconfig_connection(mesh.kubeconfig.read_text()))
    proxy = values(api)
    now = {
        name: proxy.get(name, "")
        for name in ("includeIPRanges", "excludeIPRanges", "includeOutboundPorts", "excludeOutboundPorts")
    }
    trial = await InjectionDryRun.begin(client, "", now)
    await trial.check({**now, "includeIPRanges": "10.0.0.0/8"})
    with pytest.raises(InjectionDenied, match=r"10\.0\.0\.1"):
        await trial.check({**now, "includeIPRanges": "10.0.0.1"})
    await client.close()


async def test_values_that_no_pod_gets_come_out_again(mesh: Mesh, api: Api) -> None:
    """Here istiod reads another ConfigMap than that of the revision: this is reported once, and not tried again."""
    other = f"{CONFIG_MAPS}/istio-sidecar-injector-canary"
    _copy(api, INJECTOR, CONFIG_MAPS, name="istio-sidecar-injector-canary")
    _copy(api, f"{WEBHOOKS}/istio-sidecar-injector", WEBHOOKS, name="canary", labels={"istio.io/rev": "canary"})
    before = api.get(other)["data"]
    cluster = replace(CLUSTER, target=KubernetesTarget(istio_revision="canary"))
    driver = Driver(
        mesh.server, Kubernetes(ApiClient(await kubeconfig_connection(mesh.kubeconfig.read_text())), cluster)
    )
    driver.cluster = cluster
    policy = interception(exclude_outbound_ports=(443,))
    for _ in range(2):
        obstacles = await driver.reconcile(policy)
        assert [problem.reason for problem in obstacles.values()] == ["VALUES_REFUSED"]
        assert "a new pod in default still includes *" in obstacles[policy.name].message
        assert api.get(other)["data"] == before
    version = api.get(other)["metadata"]["resourceVersion"]
    assert await driver.reconcile(policy)
    assert api.get(other)["metadata"]["resourceVersion"] == version
    await driver.release()
    assert api.get(other)["data"] == before
    await driver.close()


async def test_unreachable_webhook_does_not_block(driver: Driver, api: Api) -> None:
    """A webhook that can't be reached proves nothing about values whose form has been checked."""
    path = f"{WEBHOOKS}/istio-sidecar-injector"
    webhooks = api.get(path)["webhooks"]
    for webhook in webhooks:
        webhook["clientConfig"]["url"] = f"https://127.0.0.1:{free_port()}/inject"
    api.patch(path, {"webhooks": webhooks})
    assert await driver.reconcile(interception(exclude_outbound_ports=(443,))) == {}
    assert values(api)["excludeOutboundPorts"] == "443"
    await driver.release()
    assert values(api)["excludeOutboundPorts"] == ""


def _copy(api: Api, path: str, into: str, *, name: str, labels: dict[str, str] | None = None) -> None:
    made: Object = api.get(path)
    made["metadata"] = {"name": name, "labels": labels or {}} | (
        {"namespace": made["metadata"]["namespace"]} if "namespace" in made["metadata"] else {}
    )
    api.post(into, made)
