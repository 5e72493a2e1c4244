"""The delivery loop's view of a local cluster, and what it remembers."""

import asyncio
from pathlib import Path

import pytest
import yaml

from egress_server.config.host_overrides import HostOverride
from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.objects import IstioObject, istio_object, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.ports.target import Target, Witness
from egress_server.targets.local.envoy import Envoy, envoy_binary
from egress_server.targets.local.target import LocalEnvoyTarget
from egress_server.targets.local.xds.compile import compile_xds
from egress_server.targets.local.xds.scoping import LocalWorkload
from tests.integration.local.objects import apply, entry, mesh_policy, tcp_entry
from tests.integration.local.world import World, ask, connect
from tests.support.meshes import cluster
from tests.support.paths import ROOT


async def test_new_cluster_is_empty(target: LocalEnvoyTarget) -> None:
    """A cluster that was never driven has no objects and no witness."""
    port: Target = target
    live = await port.gather()
    assert live.objects == {}
    assert live.witness is None


async def test_restart_serves_what_was_applied(tmp_path: Path, target: LocalEnvoyTarget, world: World) -> None:
    """After a restart the objects, the witness and Envoy's behaviour are those of the last apply."""
    objects = [mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext")]
    await apply(target, *objects, revision=7)
    await target.stop()
    again = LocalEnvoyTarget(tmp_path / "cluster", name="test", namespace="default", resolve=world.resolve())
    await again.start()
    try:
        live = await again.gather()
        assert live.objects == {key_of(item): item for item in objects}
        assert live.witness == Witness(epoch="e", revision=7, digest="d7", fence=1)
        assert (await ask(await connect(again.envoy.address, 80, world.http))).status == 301
        other = await ask(await connect(again.envoy.address, 80, world.http), host="other.example.com")
        assert other.status == 502
    finally:
        await again.stop()


async def test_age_counts_and_replacing_keeps_it(target: LocalEnvoyTarget, world: World) -> None:
    """Of two TCP entries for a port the older wins; replacing it keeps its age, deleting it hands over."""
    old, new = tcp_entry("old", 3306, world.greeter), tcp_entry("new", 3306, world.http)
    await apply(target, old)
    await apply(target, old, new)
    reader, _ = await connect(target.envoy.address, 3306, 1)
    assert await reader.readline() == b"hello\n"
    await apply(target, new)
    assert (await ask(await connect(target.envoy.address, 3306, 1))).status == 301
    await apply(target, new, old)
    assert (await ask(await connect(target.envoy.address, 3306, 1))).status == 301


async def test_unsupported_objects_are_named_and_left_out(target: LocalEnvoyTarget) -> None:
    """What a local cluster cannot serve is reported by resource; the rest is applied."""
    dynamic = entry("dynamic", resolution="DYNAMIC_DNS")
    projection = target.project([dynamic, entry("aliyun-com-ext")], cluster(), await target.gather())
    reason = "resolution DYNAMIC_DNS is for wildcard hosts such as *.example.com, not www.aliyun.com"
    assert projection.obstacles == {resource_of(dynamic): Problem(UNSUPPORTED, reason)}
    assert [item["metadata"]["name"] for item in projection.objects] == ["aliyun-com-ext"]


async def test_damaged_state_is_not_taken_for_a_new_cluster(tmp_path: Path) -> None:
    """A state file that cannot be read stops the start, since starting empty would open the cluster."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    (folder / "state.json").write_text('{"objects": [')
    with pytest.raises(PermanentError, match="damaged") as caught:
        await LocalEnvoyTarget(folder, name="test", namespace="default", resolve=[]).start()
    assert caught.value.reason == "STATE_UNREADABLE"


async def test_many_clusters_side_by_side(tmp_path: Path, world: World) -> None:
    """Several Envoys run side by side, each with its own objects."""
    targets = [
        LocalEnvoyTarget(tmp_path / name, name=name, namespace="default", resolve=world.resolve()) for name in "ab"
    ]
    try:
        await asyncio.gather(*(target.start() for target in targets))
        await apply(targets[0], mesh_policy("REGISTRY_ONLY"))
        statuses = [(await ask(await connect(t.envoy.address, 80, world.http))).status for t in targets]
        assert statuses == [502, 301]
    finally:
        await asyncio.gather(*(target.stop() for target in targets))


async def test_cancelled_change_is_made_to_its_end(target: LocalEnvoyTarget, world: World) -> None:
    """Who gathers after a cancelled change sees what Envoy does."""
    for _ in range(5):
        task = asyncio.create_task(apply(target, mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext")))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        live = await target.gather()
        status = (await ask(await connect(target.envoy.address, 80, world.http), host="other.example.com")).status
        assert status == (502 if live.objects else 301)
        await apply(target)


async def test_policy_of_the_workload(target: LocalEnvoyTarget, world: World) -> None:
    """A Sidecar that selects the workload's labels beats its namespace's, which beats the mesh's."""
    mesh, namespace, workload, other = (mesh_policy(mode) for mode in ("ALLOW_ANY", "REGISTRY_ONLY") * 2)
    for number, (policy, labels) in enumerate([(namespace, None), (workload, "local"), (other, "other")]):
        policy["metadata"] |= {"namespace": "default", "name": f"s{number}"}
        if labels:
            policy["spec"]["workloadSelector"] = {"labels": {"app": labels}}
    statuses = []
    for policies in ([mesh], [mesh, namespace], [mesh, namespace, workload], [mesh, namespace, other]):
        await apply(target, *policies)
        statuses.append((await ask(await connect(target.envoy.address, 80, world.http))).status)
    assert statuses == [301, 502, 301, 502]


def interception(namespace: str, include: str, **spec: object) -> IstioObject:
    """An Interception that includes these ranges."""
    resource = f"meshes/default/interceptions/{include}"
    return istio_object("Interception", namespace, f"egress-{include}", resource, {"includeIPRanges": include, **spec})


async def test_interception_of_the_workload(tmp_path: Path, target: LocalEnvoyTarget, world: World) -> None:
    """The Interception that holds is there for the dialer: the workload's, else its namespace's, else the mesh's."""
    mesh, namespace = interception("istio-system", "mesh"), interception("default", "namespace")
    selector = {"labels": {"app": "local"}}
    workload = interception("default", "workload", workloadSelector=selector)
    assert target.interception is None
    held: list[str] = []
    for objects in ([mesh], [mesh, namespace], [mesh, namespace, workload]):
        await apply(target, *objects)
        assert target.interception is not None
        held.append(target.interception["includeIPRanges"])
    assert held == ["mesh", "namespace", "workload"]
    await target.stop()
    again = LocalEnvoyTarget(
        tmp_path / "cluster", name="test", namespace="default", resolve=[], labels={"app": "something else"}
    )
    await again.start()
    try:
        assert again.interception == namespace["spec"]
    finally:
        await again.stop()


GOLDEN = sorted((ROOT / "tests/golden/local").glob("*/objects.yaml"))


def loopback(objects: list[IstioObject]) -> list[HostOverride]:
    """Something to know of every name in the objects, so that nothing is looked up."""
    known = []
    for spec in (item["spec"] for item in objects if item["kind"] == "ServiceEntry"):
        names = (*spec["hosts"], *(endpoint["address"] for endpoint in spec.get("endpoints", ())))
        numbers = {port.get("targetPort") or port["number"] for port in spec["ports"]}
        known += [HostOverride(name, number, "127.0.0.1", 9) for name in names for number in numbers]
    return known


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
async def test_golden_files_are_taken(tmp_path: Path, world: World, path: Path) -> None:
    """Envoy takes what the golden cases compile to."""
    text = await asyncio.to_thread(path.read_text)
    objects = [item for item in yaml.safe_load_all(text) if item]
    workload = LocalWorkload("default", {"app": "local"})
    trust = str(tmp_path / "certificate.pem")
    files = compile_xds(objects, workload=workload, resolve=loopback(objects), trust=trust)
    envoy = Envoy(envoy_binary(), tmp_path / "envoy", name="golden")
    try:
        await envoy.start(files)
    finally:
        await envoy.stop()
