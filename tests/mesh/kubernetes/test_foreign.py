"""Foreign objects: changed only if that is allowed, and restored as they were."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.selectors import Scope
from tests.mesh.harness.cluster.api import Api, Object
from tests.mesh.harness.cluster.saved_state import SavedState
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import BIRTH, entry, fault, policy

ISTIO = "/apis/networking.istio.io/v1"
SHOP = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))
SIDECAR, SERVICE = f"{ISTIO}/namespaces/shop/sidecars/theirs", f"{ISTIO}/namespaces/default/virtualservices/theirs"
EGRESS: dict[str, Any] = {"egress": [{"hosts": ["./*"]}]}
REGISTRY_ONLY = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
SAYS_NOTHING: tuple[dict[str, Any], ...] = ({}, {"outboundTrafficPolicy": {}}, REGISTRY_ONLY)
ALLOWS = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY"}}


def made(kind: str, spec: dict[str, Any], namespace: str = "shop") -> Object:
    """An unmanaged object named theirs."""
    metadata = {"name": "theirs", "namespace": namespace, "labels": {"team": "a"}, "annotations": {"note": "b"}}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def write(api: Api, how: str, obj: Object) -> None:
    """By one of the ways in which people write objects."""
    path = f"{ISTIO}/namespaces/{obj['metadata']['namespace']}/{obj['kind'].lower()}s"
    if how == "client-side":
        api.post(f"{path}?fieldManager=kubectl-client-side-apply", obj)
    else:
        api.apply(f"{path}/theirs", obj, manager="argocd")


def managers(obj: Object) -> set[str]:
    """Who has set fields of it."""
    return {each["manager"] for each in obj["metadata"]["managedFields"]}


@pytest.mark.parametrize("how", ["client-side", "server-side"])
@pytest.mark.parametrize("said", SAYS_NOTHING, ids=["absent", "empty", "same"])
async def test_the_mode_goes_into_a_sidecar_and_out_again(
    driver: Driver, api: Api, how: str, said: dict[str, Any]
) -> None:
    """Without a conflict no adoption is needed; afterwards no trace of us is left."""
    write(api, how, made("Sidecar", EGRESS | said))
    before = SavedState.of(api)
    assert await driver.reconcile(SHOP) == {}
    written = api.get(SIDECAR)
    assert written["spec"] == EGRESS | REGISTRY_ONLY
    assert written["metadata"]["labels"] == {"team": "a"}
    assert "mesh-egress" in managers(written)
    assert (await driver.plan(SHOP)).changes == ()
    await driver.release()
    assert before.differences(SavedState.of(api)) == []
    assert "mesh-egress" not in managers(api.get(SIDECAR))


@pytest.mark.parametrize("how", ["client-side", "server-side"])
async def test_another_mode_is_changed_only_if_adopted(driver: Driver, api: Api, how: str) -> None:
    """Refused with the owner's name, forced once it is adopted, put back when it is no longer wanted."""
    write(api, how, made("Sidecar", EGRESS | ALLOWS))
    before = SavedState.of(api)
    obstacles = await driver.reconcile(SHOP)
    assert obstacles[SHOP.name].reason == "FOREIGN_OWNER"
    assert api.get(SIDECAR)["spec"] == EGRESS | ALLOWS
    driver.adopt("Sidecar/shop/theirs")
    assert await driver.reconcile(SHOP) == {}
    assert api.get(SIDECAR)["spec"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
    await driver.reconcile()
    assert api.get(SIDECAR)["spec"] == EGRESS | ALLOWS
    await driver.release()
    assert before.differences(SavedState.of(api)) == []
    assert "mesh-egress" not in managers(api.get(SIDECAR))


async def test_later_foreign_changes_survive_the_release(driver: Driver, api: Api) -> None:
    """A mode that another client has set since is reported, and stays after the release."""
    write(api, "client-side", made("Sidecar", EGRESS))
    await driver.reconcile(SHOP)
    api.patch(f"{SIDECAR}?fieldManager=kubectl-edit", {"spec": ALLOWS})
    await driver.until_changed_by("kubectl-edit")
    assert (await driver.reconcile(SHOP))[SHOP.name].reason == "FOREIGN_OWNER"
    await driver.release()
    found = api.get(SIDECAR)
    assert found["spec"] == EGRESS | ALLOWS
    assert "mesh-egress" not in managers(found)


async def test_the_earlier_value_outlives_us(driver: Driver, api: Api) -> None:
    """Another process, with nothing but the cluster, puts back what was there before."""
    write(api, "client-side", made("Sidecar", EGRESS | ALLOWS))
    before = SavedState.of(api)
    driver.adopt("Sidecar/shop/theirs")
    await driver.reconcile(SHOP)
    other = await driver.another()
    await other.release()
    await other.close()
    assert before.differences(SavedState.of(api)) == []


async def test_a_managed_sidecar_follows_the_one_it_copies(driver: Driver, api: Api) -> None:
    """The root's settings change, and those of our Sidecar with them, since the change triggers a reconcile."""
    write(api, "client-side", made("Sidecar", EGRESS, namespace="istio-system"))
    await driver.reconcile(SHOP)
    ours = f"{ISTIO}/namespaces/shop/sidecars/egress-shop"
    assert api.get(ours)["spec"]["egress"] == EGRESS["egress"]
    hosts = [{"hosts": ["./*", "istio-system/*"]}]
    api.patch(f"{ISTIO}/namespaces/istio-system/sidecars/theirs", {"spec": {"egress": hosts}})
    await driver.until(
        lambda live: any(found.content.get("egress") == hosts for found in live.observation.objects.values())
    )
    assert driver.events
    await driver.reconcile(SHOP)
    assert api.get(ours)["spec"] == {"egress": hosts} | REGISTRY_ONLY


@pytest.mark.parametrize("how", ["client-side", "server-side"])
async def test_faults_go_into_an_adopted_route_and_out_again(driver: Driver, api: Api, how: str) -> None:
    """Refused first; adopted they are before the owner's routes; and what is left is what was there."""
    route = {"name": "mine", "route": [{"destination": {"host": "bank.example.com"}}]}
    write(api, how, made("VirtualService", {"hosts": ["bank.example.com"], "http": [route]}, namespace="default"))
    before = SavedState.of(api)
    bank, broken = entry("bank"), fault("broken")
    assert (await driver.reconcile(bank, broken))[broken.name].reason == "FOREIGN_OWNER"
    driver.adopt("VirtualService/default/theirs")
    assert await driver.reconcile(bank, broken) == {}
    assert (await driver.plan(bank, broken)).changes == ()
    assert [each["name"] for each in api.get(SERVICE)["spec"]["http"]] == ["fault-default.broken", "mine"]
    await driver.release()
    assert before.differences(SavedState.of(api)) == []
    assert "mesh-egress" not in managers(api.get(SERVICE))


async def test_an_owner_who_writes_again_does_not_lose_the_fault(driver: Driver, api: Api) -> None:
    """The foreign routes are replaced as a whole; managed ones are added again, and the new ones count as foreign."""
    spec = {"hosts": ["bank.example.com"], "http": [{"route": [{"destination": {"host": "bank.example.com"}}]}]}
    write(api, "client-side", made("VirtualService", spec, namespace="default"))
    bank, broken = entry("bank"), fault("broken")
    driver.adopt("VirtualService/default/theirs")
    await driver.reconcile(bank, broken)
    again = [{"name": "new", "route": [{"destination": {"host": "other.example.com"}}]}]
    api.patch(f"{SERVICE}?fieldManager=kubectl-edit", {"spec": {"http": again}})
    await driver.until_changed_by("kubectl-edit")
    assert await driver.reconcile(bank, broken) == {}
    first, second = api.get(SERVICE)["spec"]["http"]
    assert (first["name"], first["route"]) == ("fault-default.broken", again[0]["route"])
    assert second == again[0]
    await driver.release()
    assert api.get(SERVICE)["spec"]["http"] == again


async def test_an_entry_of_our_name_is_taken_over_and_given_back(driver: Driver, api: Api) -> None:
    """Only if that was allowed."""
    theirs = made("ServiceEntry", {"hosts": ["x.example"], "ports": [{"number": 80, "name": "h", "protocol": "HTTP"}]})
    theirs["metadata"] |= {"name": "bank", "namespace": "default"}
    api.post(f"{ISTIO}/namespaces/default/serviceentries", theirs)
    before = SavedState.of(api)
    bank = entry("bank")
    assert (await driver.reconcile(bank))[bank.name].reason == "FOREIGN_OWNER"
    driver.adopt("ServiceEntry/default/bank")
    assert await driver.reconcile(bank) == {}
    assert api.get(f"{ISTIO}/namespaces/default/serviceentries/bank")["spec"]["hosts"] == ["bank.example.com"]
    await driver.release()
    assert before.differences(SavedState.of(api)) == []


async def test_ended_faults_go_from_adopted_routes_too(driver: Driver, api: Api) -> None:
    """Without cache and store; what is left of us there goes with the next cycle."""
    spec = {"hosts": ["bank.example.com"], "http": [{"route": [{"destination": {"host": "bank.example.com"}}]}]}
    write(api, "client-side", made("VirtualService", spec, namespace="default"))
    before = SavedState.of(api)
    driver.adopt("VirtualService/default/theirs")
    await driver.reconcile(fault("broken"))
    other = await driver.another()
    await other.target.strip_ended(BIRTH + timedelta(hours=1))
    await other.close()
    assert api.get(SERVICE)["spec"] == spec
    await driver.until(lambda live: not any("http" in obj["spec"] for obj in live.objects.values()))
    await driver.release()
    assert before.differences(SavedState.of(api)) == []


async def test_a_managed_sidecar_that_others_apply_too_is_left_to_them(driver: Driver, api: Api) -> None:
    """With their fields and without our own; a manual edit does not count as such a claim."""
    await driver.reconcile(SHOP, policy("ALLOW_ANY", "web", scope=Scope("shop", {"app": "web"})))
    path = f"{ISTIO}/namespaces/shop/sidecars"
    claimed = made("Sidecar", REGISTRY_ONLY) | {"metadata": {"name": "egress-shop", "namespace": "shop"}}
    api.apply(f"{path}/egress-shop", claimed, manager="argocd")
    api.patch(f"{path}/egress-web?fieldManager=kubectl-edit", {"spec": REGISTRY_ONLY})
    await driver.until_changed_by("argocd", "kubectl-edit")
    await driver.release()
    [left] = api.items(f"{ISTIO}/sidecars")
    assert (left["metadata"]["name"], left["spec"]) == ("egress-shop", REGISTRY_ONLY)
    assert managers(left) == {"argocd"}
    assert not {*left["metadata"].get("labels", {}), *left["metadata"].get("annotations", {})}


async def test_a_younger_applier_is_not_overruled(driver: Driver, api: Api) -> None:
    """Whoever has an older lease finds out before it writes."""
    await driver.reconcile(entry("bank"))
    live = await driver.live()
    assert live.witness is not None
    older = replace(live.witness, fence=live.witness.fence - 1)
    with pytest.raises(TransientError):
        await driver.target.apply(upsert=[], delete=list(live.objects), witness=older)
    assert [one["metadata"]["name"] for one in api.items(f"{ISTIO}/serviceentries")] == ["bank"]
