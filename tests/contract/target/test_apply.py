"""What is applied is on the cluster, once, and is read back by every process."""

from copy import deepcopy

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.objects import MANAGED_BY, ObjectKey
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.domain.render import render
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import History, entry, fault, policy
from tests.support.target_driver import FUTURE

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESIRED = (entry("bank"), policy("REGISTRY_ONLY"), fault("broken"))
KEYS = {
    ObjectKey("ServiceEntry", "default", "bank"),
    ObjectKey("Sidecar", "istio-system", "egress-all"),
    ObjectKey("VirtualService", "default", "egress-bank.example.com"),
}


async def test_new_cluster_is_empty(bench: TargetBench) -> None:
    """It has no objects, and no witness: it was never managed."""
    live = await bench.process.live()
    assert dict(live.objects) == {}
    assert live.witness is None


async def test_applied_is_read_back(bench: TargetBench) -> None:
    """Then nothing is left to do, for this process and for one that has just started."""
    process = bench.process
    assert await process.reconcile(*DESIRED) == {}
    live = await process.live()
    assert live.objects.keys() == KEYS
    assert all(obj["metadata"]["labels"] == MANAGED_BY for obj in live.objects.values())
    assert (await process.plan(*DESIRED)).changes == ()
    another = await bench.another()
    assert (await another.plan(*DESIRED)).changes == ()
    assert (await another.live()).witness == process.witness()


async def test_update_and_delete(bench: TargetBench) -> None:
    """Objects change and go, and others stay as they are."""
    process = bench.process
    await process.reconcile(entry("bank"), entry("coin"), entry("old"))
    desired = (entry("bank"), entry("coin", hosts=("new.example.com",)))
    assert await process.reconcile(*desired) == {}
    objects = (await process.live()).objects
    assert sorted(key.name for key in objects) == ["bank", "coin"]
    assert objects[ObjectKey("ServiceEntry", "default", "coin")]["spec"]["hosts"] == ["new.example.com"]
    assert (await process.plan(*desired)).changes == ()


@needs(Topic.VERSIONS)
async def test_equal_apply_writes_nothing(bench: TargetBench) -> None:
    """Neither if all objects are applied again, nor if only the witness is new."""
    process = bench.process
    await process.reconcile(*DESIRED)
    before = await bench.versions()
    live = await process.live()
    await process.target.apply(upsert=tuple(live.objects.values()), delete=(), witness=live.witness)
    assert await bench.versions() == before
    await process.reconcile(*DESIRED)
    after = await bench.versions()
    assert {name for name in before if before[name] != after[name]} <= {"witness"}


async def test_projection_is_pure(bench: TargetBench) -> None:
    """It depends on nothing but its arguments, and leaves them unchanged."""
    process = bench.process
    live = await process.live()
    resources = (*DESIRED, bench.unsupported)
    desired = render(effective(History(process.cluster, *resources, born=FUTURE).snapshot, process.cluster, FUTURE))
    former = deepcopy(desired)
    first = process.target.project(desired, process.cluster, live)
    await process.reconcile(*DESIRED)
    assert process.target.project(desired, process.cluster, live) == first
    assert desired == former


async def test_gathered_is_a_snapshot(bench: TargetBench) -> None:
    """What happens later does not change what was gathered."""
    process = bench.process
    await process.reconcile(entry("bank"))
    live = await process.live()
    objects, witness = deepcopy(dict(live.objects)), live.witness
    await process.reconcile(entry("bank", hosts=("other.example.com",)), entry("coin"))
    assert (dict(live.objects), live.witness) == (objects, witness)


async def test_unsupported_is_reported(bench: TargetBench) -> None:
    """By resource, with a reason; the others are applied."""
    obstacles = await bench.process.reconcile(bench.unsupported, entry("bank"))
    assert obstacles.keys() == {bench.unsupported.name}
    assert obstacles[bench.unsupported.name].message
    assert await bench.process.names() == ["bank"]


@needs(Topic.CREATION_ORDER)
async def test_older_entry_stays_the_older_one(bench: TargetBench) -> None:
    """Of two entries for one host Istio uses the older, whatever their names are and whichever is updated."""
    old, new = entry("zebra", hosts=("one.example",)), entry("ant", hosts=("one.example",))
    await bench.process.reconcile(old, new)
    assert await bench.creation_order() == ["zebra", "ant"]
    await bench.process.reconcile(entry("zebra", hosts=("one.example", "two.example")), new)
    assert await bench.creation_order() == ["zebra", "ant"]


@needs(Topic.REJECTION)
async def test_rejected_object_does_not_stop_the_others(bench: TargetBench) -> None:
    """It is reported by resource, with the cluster's reason."""
    bad, process = entry("bad"), bench.process
    plan = await process.plan(bad, entry("good"))
    upsert = [bench.spoil(obj) if obj["metadata"]["name"] == "bad" else obj for obj in plan.upsert]
    applied = await process.target.apply(upsert=upsert, delete=(), witness=process.witness())
    assert applied.obstacles.keys() == {bad.name}
    assert {key.name for key in applied.refused} == {"bad"}
    assert "NEVER" in applied.obstacles[bad.name].message
    assert await process.names() == ["good"]
    assert (await process.live()).witness == process.witness()


async def test_restart_of_what_is_not_recreated(bench: TargetBench) -> None:
    """A bare pod, or anything on a cluster without workloads, can't be restarted."""
    await bench.process.live()
    with pytest.raises(PermanentError) as raised:
        await bench.process.target.restart("Pod/default/alone")
    assert raised.value.reason == UNSUPPORTED
