"""The mesh-wide mode inside the text of Istio's ConfigMap, as the API server keeps it."""

from dataclasses import replace

import pytest

from egress_server.domain.model.clusters import KubernetesTarget, MeshPolicyBackend
from tests.mesh.harness.cluster.api import Api
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import policy

PATH = "/api/v1/namespaces/istio-system/configmaps/istio"
HELM = "# of the mesh\ntrustDomain: cluster.local\nextensionProviders: [ {name: otel} ]"
ONLY = "outboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n"


@pytest.fixture(autouse=True)
def _backend(driver: Driver) -> None:
    settings = KubernetesTarget(mesh_policy=MeshPolicyBackend.BOTH)
    driver.cluster = replace(driver.cluster, target=settings)


def given(api: Api, data: dict[str, str] | None) -> None:
    """The ConfigMap as helm leaves it."""
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "istio-system"}}
    api.post("/api/v1/namespaces/istio-system/configmaps?fieldManager=helm", made | ({"data": data} if data else {}))


def mesh(api: Api) -> str | None:
    """The text."""
    text: str | None = (api.get(PATH).get("data") or {}).get("mesh")
    return text


@pytest.mark.parametrize(
    "data",
    [
        {"mesh": HELM, "meshNetworks": "networks: {}"},
        {"mesh": HELM + "\noutboundTrafficPolicy: {mode: 'ALLOW_ANY'} # for now\n"},
        {"mesh": HELM + "\noutboundTrafficPolicy: {}"},
        {"mesh": HELM + "\noutboundTrafficPolicy:\n  mode: REGISTRY_ONLY\n"},
        {"mesh": ""},
        {"other": "x"},
        None,
    ],
)
async def test_set_changed_and_taken_back(driver: Driver, api: Api, data: dict[str, str] | None) -> None:
    """The mode is written out, follows the policy, and goes without a trace, in the text as in who wrote it."""
    given(api, data)
    for mode in ("REGISTRY_ONLY", "ALLOW_ANY"):
        assert await driver.reconcile(policy(mode)) == {}
        assert mode in (mesh(api) or "")
        assert (await driver.plan(policy(mode))).changes == ()
    await driver.release()
    after = api.get(PATH)
    assert (after.get("data") or None) == data
    assert {each["manager"] for each in after["metadata"].get("managedFields", ())} <= {"helm"}


async def test_a_helm_upgrade_is_drift(driver: Driver, api: Api) -> None:
    """The mode that it takes out is put back; the rest is as helm has it, then and at the end."""
    given(api, {"mesh": HELM})
    await driver.reconcile(policy("REGISTRY_ONLY"))
    assert mesh(api) == ONLY + HELM
    api.patch(f"{PATH}?fieldManager=helm", {"data": {"mesh": "trustDomain: other.local"}})
    await driver.until(
        lambda live: any(key.kind == "MeshConfig" and not obj["spec"] for key, obj in live.objects.items())
    )
    await driver.until_changed_by("helm")
    assert await driver.reconcile(policy("REGISTRY_ONLY")) == {}
    assert mesh(api) == ONLY + "trustDomain: other.local"
    await driver.release()
    assert mesh(api) == "trustDomain: other.local"


async def test_foreign_changes_survive_the_release(driver: Driver, api: Api) -> None:
    """Another client has changed the mode since: it stays."""
    given(api, {"mesh": HELM})
    await driver.reconcile(policy("REGISTRY_ONLY"))
    theirs = HELM + "\noutboundTrafficPolicy: {mode: ALLOW_ANY}"
    api.patch(f"{PATH}?fieldManager=kubectl-edit", {"data": {"mesh": theirs}})
    await driver.until(lambda live: "ALLOW_ANY" in str(live.objects))
    await driver.release()
    assert mesh(api) == theirs
    assert {each["manager"] for each in api.get(PATH)["metadata"]["managedFields"]} <= {"helm", "kubectl-edit"}


async def test_a_foreign_mode_set_meanwhile_is_restored(driver: Driver, api: Api) -> None:
    """It was overruled, and is kept for later like the one before it."""
    given(api, {"mesh": HELM})
    await driver.reconcile(policy("REGISTRY_ONLY"))
    theirs = HELM + "\noutboundTrafficPolicy: {mode: ALLOW_ANY}"
    api.patch(f"{PATH}?fieldManager=kubectl-edit", {"data": {"mesh": theirs}})
    await driver.until_changed_by("kubectl-edit")
    await driver.reconcile(policy("REGISTRY_ONLY"))
    assert mesh(api) == theirs.replace("ALLOW_ANY", "REGISTRY_ONLY")
    await driver.release()
    assert mesh(api) == theirs


async def test_a_text_that_cannot_be_edited_is_left_unchanged(driver: Driver, api: Api) -> None:
    """The error in it is reported; the Sidecar applies meanwhile, and once the text is fixed so does the mode."""
    given(api, {"mesh": "a: 1\na: 2"})
    only = policy("REGISTRY_ONLY")
    obstacles = await driver.reconcile(only)
    assert {name: problem.reason for name, problem in obstacles.items()} == {only.name: "CONFIG_UNREADABLE"}
    assert "can't be edited and was left unchanged: line 2: 'a' is set twice" in obstacles[only.name].message
    assert mesh(api) == "a: 1\na: 2"
    assert api.get("/apis/networking.istio.io/v1/namespaces/istio-system/sidecars/egress-all")
    api.patch(PATH, {"data": {"mesh": "a: 1"}})
    await driver.until(lambda live: any(item.content == {"mesh": "a: 1"} for item in live.observation.objects.values()))
    assert await driver.reconcile(only) == {}
    assert mesh(api) == ONLY + "a: 1"
