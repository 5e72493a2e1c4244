"""Managed objects: created, kept, corrected and deleted, and nothing else."""

import asyncio
from datetime import timedelta

from egress_server.domain.model.selectors import Scope
from egress_server.ports.target import Witness
from tests.mesh.harness.cluster.api import Api, Object
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import BIRTH, entry, fault, policy

ISTIO = "/apis/networking.istio.io/v1"
BANK = f"{ISTIO}/namespaces/default/serviceentries/bank"
WITNESS = "/api/v1/namespaces/istio-system/configmaps/egress-state"


def versions(api: Api) -> dict[str, str]:
    """Resource version of each object of Istio's kinds and of the witness, by path."""
    kinds = ("serviceentries", "virtualservices", "destinationrules", "sidecars")
    found = {f"{kind}/{one['metadata']['name']}": one for kind in kinds for one in api.items(f"{ISTIO}/{kind}")}
    if witness := api.find(WITNESS):
        found["witness"] = witness
    return {name: one["metadata"]["resourceVersion"] for name, one in found.items()}


async def test_what_is_wanted_is_there_and_read_back(driver: Driver, api: Api) -> None:
    """Entries, policies and faults are applied with our label, and the next plan is empty."""
    wanted = (entry("bank"), policy("REGISTRY_ONLY"), policy("ALLOW_ANY", "shop", scope=Scope("shop")), fault("broken"))
    assert await driver.reconcile(*wanted) == {}
    assert (await driver.plan(*wanted)).changes == ()
    found = api.get(BANK)
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "mesh-egress"}
    assert {each["manager"] for each in found["metadata"]["managedFields"]} == {"mesh-egress"}
    assert api.get(f"{ISTIO}/namespaces/istio-system/sidecars/egress-all")["spec"] == {
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}
    }
    live = await driver.target.gather()
    assert live.witness is not None
    assert live.witness.revision == driver.revision


async def test_an_apply_of_the_same_changes_no_version(driver: Driver, api: Api) -> None:
    """Whether the loop or a whole new target does it."""
    wanted = (entry("bank"), policy("REGISTRY_ONLY"), fault("broken"))
    await driver.reconcile(*wanted)
    before = versions(api)
    live = await driver.target.gather()
    await driver.target.apply(upsert=list(live.objects.values()), delete=[], witness=live.witness)
    assert versions(api) == before


async def test_our_own_writes_are_no_news(driver: Driver) -> None:
    """Only what others do calls for a look."""
    await driver.target.gather()
    for revision in range(3):
        await driver.reconcile(entry("bank", hosts=(f"h{revision}.example.com",)), policy("REGISTRY_ONLY"))
    await asyncio.sleep(0.3)
    assert driver.events == 0


async def test_drift_is_seen_named_and_healed(driver: Driver, api: Api) -> None:
    """Fields that others changed, added or removed are put back, labels that they added stay."""
    wanted = (entry("bank"),)
    await driver.reconcile(*wanted)
    spec = api.get(BANK)["spec"]
    change = {"resolution": "DNS", "addresses": ["198.51.100.9"], "location": None}
    api.patch(f"{BANK}?fieldManager=kubectl-edit", {"metadata": {"labels": {"team": "a"}}, "spec": change})
    live = await driver.until(lambda live: any(live.changed_by.values()))
    assert set(live.changed_by.values()) == {"kubectl-edit"}
    assert driver.events >= 1
    assert await driver.reconcile(*wanted) == {}
    healed = api.get(BANK)
    assert healed["spec"] == spec
    assert healed["metadata"]["labels"]["team"] == "a"


async def test_a_deleted_object_comes_back(driver: Driver, api: Api) -> None:
    """Whoever deleted it."""
    await driver.reconcile(entry("bank"))
    api.delete(BANK)
    await driver.until(lambda live: not live.objects)
    await driver.reconcile(entry("bank"))
    assert api.get(BANK)["spec"]["hosts"] == ["bank.example.com"]


async def test_only_managed_objects_are_pruned(driver: Driver, api: Api) -> None:
    """An unmanaged entry next to managed ones stays, whatever we do."""
    theirs: Object = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "theirs", "namespace": "default"},
        "spec": {"hosts": ["x.example"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]},
    }
    api.post(f"{ISTIO}/namespaces/default/serviceentries", theirs)
    await driver.reconcile(entry("bank"), entry("coin"))
    await driver.reconcile(entry("bank"))
    names = {found["metadata"]["name"] for found in api.items(f"{ISTIO}/serviceentries")}
    assert names == {"bank", "theirs"}
    await driver.release()
    assert [found["metadata"]["name"] for found in api.items(f"{ISTIO}/serviceentries")] == ["theirs"]
    assert api.find(WITNESS) is None


async def test_foreign_status_is_not_drift(driver: Driver, api: Api) -> None:
    """istiod writes addresses into the status of an entry; an update after that goes through all the same."""
    await driver.reconcile(entry("bank"))
    api.patch(BANK, {"status": {"addresses": [{"value": "240.240.0.1"}]}}, subresource="status")
    assert await driver.reconcile(entry("bank", hosts=("other.example.com",))) == {}
    found = api.get(BANK)
    assert found["spec"]["hosts"] == ["other.example.com"]
    assert found["status"]["addresses"] == [{"value": "240.240.0.1"}]
    assert driver.events == 0


async def test_of_two_new_entries_for_one_host_the_older_is_older_there(driver: Driver, api: Api) -> None:
    """Istio goes by creation times, which have seconds only."""
    wanted = (entry("zebra", hosts=("one.example",)), entry("ant", namespace="shop", hosts=("one.example",)))
    await driver.reconcile(*wanted)
    born = {
        found["metadata"]["name"]: found["metadata"]["creationTimestamp"]
        for found in api.items(f"{ISTIO}/serviceentries")
    }
    assert born["zebra"] < born["ant"]


async def test_one_bad_object_does_not_stop_the_others(driver: Driver, api: Api) -> None:
    """What the API server rejects is reported for the resource, with its message."""
    bad, good = entry("bad"), entry("good")
    changes = (await driver.plan(bad, good)).changes
    upsert = [change.after for change in changes if change.after is not None]
    upsert[0]["spec"]["resolution"] = "NEVER"
    applied = await driver.target.apply(upsert=upsert, delete=[], witness=Witness("epoch", 1, "digest", 1))
    assert set(applied.obstacles) == {bad.name}
    assert applied.obstacles[bad.name].reason == "REFUSED"
    assert "NEVER" in applied.obstacles[bad.name].message
    await driver.until(lambda _: driver.events)  # it is worth another try
    assert [found["metadata"]["name"] for found in api.items(f"{ISTIO}/serviceentries")] == ["good"]


async def test_a_namespace_that_is_missing_is_waited_for(driver: Driver, api: Api) -> None:
    """Its entry is an obstacle until it comes."""
    far = entry("far", namespace="nowhere")
    obstacles = await driver.reconcile(far, entry("bank"))
    assert {name: problem.reason for name, problem in obstacles.items()} == {far.name: "NAMESPACE_MISSING"}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nowhere"}})
    await driver.until(lambda live: "nowhere" in live.observation.namespaces)
    assert await driver.reconcile(far, entry("bank")) == {}
    assert api.get(f"{ISTIO}/namespaces/nowhere/serviceentries/far")


async def test_ended_faults_go_without_anything_but_the_cluster(driver: Driver, api: Api) -> None:
    """By a target that has never looked, as after a restart without the store."""
    await driver.reconcile(entry("bank"), fault("broken"), fault("slow", ttl=3600.0, ports=(80,)))
    path = f"{ISTIO}/namespaces/default/virtualservices/egress-bank.example.com"
    await driver.target.strip_ended(BIRTH + timedelta(minutes=30))
    names = [route["name"] for route in api.get(path)["spec"]["http"]]
    assert names == ["fault-default.slow", "fallback"]
