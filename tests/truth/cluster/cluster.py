"""Holds one world at a time: foreign objects put into etcd, managed ones applied by the product itself."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import yaml

from egress_server.delivery.reconcile.plan import with_held
from egress_server.domain.desired.cluster_view import as_held, with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.diff.plan import diff
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.clusters import Mesh as MeshResource
from egress_server.domain.model.objects import MANAGED_BY, RESOURCE_ANNOTATION, ObjectKey
from egress_server.domain.model.status import Problem
from egress_server.domain.render import render
from egress_server.ports.target import Live, Witness
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import kubeconfig_connection
from egress_server.targets.kubernetes.observe.observation import KubernetesLive
from egress_server.targets.kubernetes.target import Kubernetes
from tests.mesh.harness.cluster.api import path_of
from tests.mesh.harness.cluster.binaries import print_progress
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.xds.client import AdsClient, Configuration, Identity
from tests.truth.cluster import marker
from tests.truth.cluster.etcd import Etcd, Object, key_in_etcd
from tests.truth.cluster.marker import Marker
from tests.truth.world import ALLOCATED, CLUSTER_ID, NATURAL, Foreign, Question, World

ISTIOD = {"PILOT_DEBOUNCE_AFTER": "10ms", "PILOT_MAX_REQUESTS_PER_SECOND": "100000"}
"""Settings of istiod with which worlds follow each other quickly."""
ROOT = "istio-system"
NAMESPACES = ("default", "shop", "team")
NAMESPACE_LABELS = {"team": {"tenant": "other"}}
"""Those of the namespaces that a mesh with discoverySelectors leaves out; all others have `discover: yes`."""
_CLUSTER = Cluster(f"meshes/default/clusters/{CLUSTER_ID}", KubernetesTarget())
_ISTIO_KINDS = ("ServiceEntry", "VirtualService", "DestinationRule", "Sidecar")
_FROM_THE_HARNESS = (
    "/api/v1/namespaces/shop/services/window",
    "/api/v1/namespaces/shop/services/catalog",
    "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/catalog-1",
)
_MAX_RECONCILES = 4
_SCOPING = (
    "discoverySelectors",
    "serviceEntryVisibility",
    *(f"default{kind}ExportTo" for kind in ("Service", "VirtualService", "DestinationRule")),
)
"""Settings of MeshConfig that decide how other objects are read."""
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.01
_MESH_CONFIG = f"/api/v1/namespaces/{ROOT}/configmaps/istio"
_STATE = f"/registry/configmaps/{ROOT}/egress-state"

T = TypeVar("T")


class NotShown(Exception):
    """The cluster, istiod or the product did not take a world in time."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A world on the cluster, and what the model knows about it."""

    world: World
    effective: Effective
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


class TruthCluster:
    """Shows worlds on a mesh that has no other use."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._loop = asyncio.new_event_loop()
        self._etcd = Etcd(mesh.server.etcd_url)
        self._ads = AdsClient(mesh.istiod_address, mesh.name, print_progress)
        self._apis = [mesh.api() for _ in range(4)]
        self._pool = ThreadPoolExecutor(len(self._apis))
        self._numbers, self._puts = 0, 0
        self._scoping: Mapping[str, Any] = {}
        self._held: set[str] = set()
        self._valid: dict[str, Object | None] = {}
        self._revision = 0
        self.rejected: list[str] = []
        """What was left out of worlds, and why."""
        self._prepare()
        self._target = self._loop.run_until_complete(self._open())

    def close(self) -> None:
        """Closes all connections."""
        self._loop.run_until_complete(self._target.close())
        self._loop.close()
        self._pool.shutdown()
        self._etcd.close()
        for api in self._apis:
            api.close()

    def admitted(self, world: World) -> World:
        """The world with the objects that the API server and istiod's webhook accept, as they would be stored."""
        jobs = [self._pool.submit(self._dry_run, index, each) for index, each in enumerate(world.objects)]
        found = [(each, job.result()) for each, job in zip(world.objects, jobs, strict=True)]
        return replace(world, objects=tuple(Foreign(obj, each.at) for each, obj in found if obj is not None))

    def configuration(self, identity: Identity) -> Configuration:
        """What istiod sends to a workload of the world that is shown."""
        return self._ads.configuration(identity)

    def show(self, world: World) -> Shown:
        """Puts a world on the cluster in place of the one before, and waits until everybody has read it."""
        self._numbers += 1
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        sign = Marker(self._numbers)
        older, newer = _split(world)
        gone = self._held | self._managed().keys() | {_STATE}
        settings = {**self._usual_mesh, **world.mesh}
        mesh = self._mesh_config(sign.in_mesh_config(settings))
        scoping = {key: value for key, value in settings.items() if key in _SCOPING}
        if scoping != self._scoping:
            self._change_mesh(sign, mesh, gone)
            self._scoping = scoping
            sign = Marker(self._numbers)
            mesh = self._mesh_config(sign.in_mesh_config(settings))
        self._put([*_born(older, began), mesh], delete=gone)
        snapshot = _snapshot(world, began)
        for _ in range(_MAX_RECONCILES):
            changed, obstacles = self._reconcile(snapshot)
            if not changed and not newer:
                break
            aged = self._aged(snapshot)
            # istiod compares no creation times of an object that it knows, as they never change.
            self._put([], delete=map(key_in_etcd, aged))
            self._put([*_born(newer, began), *aged])
            newer = ()
        live = self._settle(sign, world)
        wanted = effective(snapshot, _CLUSTER, datetime.now(UTC))
        world = replace(world, questions=tuple(self._dialed(world.questions)))
        return Shown(world, with_inventory(as_held(wanted, obstacles), live.inventory), obstacles)

    def _change_mesh(self, sign: Marker, mesh: Object, gone: set[str]) -> None:
        """Empties the cluster before: istiod misses deletions in a namespace that it ceases to read, and may take an
        object by the defaults that it had."""
        self._put(sign.objects, delete=gone)
        self._until(lambda: sign.missing(self._configuration()) == ["MeshConfig"], "istiod has emptied its index")
        self._put([mesh])
        self._until(lambda: not sign.missing(self._configuration()), f"istiod with other settings at {sign}")
        self._numbers += 1

    def _configuration(self) -> Configuration:
        return self._ads.configuration(marker.IDENTITY)

    def _settle(self, sign: Marker, world: World) -> Live:
        """Returns once the product and istiod have read everything, down to the addresses that istiod allocates."""
        self._until(lambda: not self._unallocated(world), "addresses allocated")
        self._put(sign.objects)
        self._until(lambda: not sign.missing(self._configuration()), f"istiod at {sign}")
        text = self._apis[0].get(_MESH_CONFIG)["data"]["mesh"]
        policy = yaml.safe_load(text).get("outboundTrafficPolicy") or {}
        self._until(lambda: self._istiod_mode() == policy.get("mode", "ALLOW_ANY"), "istiod has read MeshConfig")
        self._until(lambda: self._services_read(sign), f"the product at {sign}")
        self._until(self._selected, "the product has found selected workloads")
        return self._run(self._target.gather())

    def _istiod_mode(self) -> str:
        mesh = json.loads(self._mesh.istiod_debug("/debug/mesh"))
        return str((mesh.get("outboundTrafficPolicy") or {}).get("mode", "REGISTRY_ONLY"))

    def _services_read(self, sign: Marker) -> bool:
        inventory = self._run(self._target.gather()).inventory
        assert inventory is not None
        return sign.in_services(
            {f"{each.namespace}/{each.name}": each.ports[0].number for each in inventory.services if each.ports}
        )

    def _selected(self) -> bool:
        """Whether the addresses of all workload selectors are known; a survey is due, as after each apply."""
        inventory = self._run(self._target.gather()).inventory
        assert inventory is not None
        if all(each.selected_addresses is not None for each in inventory.entries if each.entry.workload_selector):
            return True
        self._target._surveyor.trigger()
        return False

    def _reconcile(self, snapshot: Snapshot) -> tuple[bool, Mapping[str, Problem]]:
        """What the delivery loop does with a cluster; returns whether anything changed."""
        live = self._run(self._target.gather())
        desired = render(effective(snapshot, _CLUSTER, datetime.now(UTC)))
        projection = self._target.project(desired, _CLUSTER, live)
        changes = diff(live.objects, projection.objects)
        if not changes:
            return False, with_held(projection.obstacles, projection.objects, ())
        self._revision += 1
        applied = self._run(
            self._target.apply(
                upsert=[change.after for change in changes if change.after is not None],
                delete=[change.key for change in changes if change.after is None],
                witness=Witness("epoch", self._revision, f"digest-{self._revision}", 1),
            )
        )
        obstacles = {**projection.obstacles, **applied.obstacles}
        return True, with_held(obstacles, projection.objects, applied.refused)

    def _put(self, objects: Iterable[Object], delete: Iterable[str] = ()) -> None:
        """Writes into etcd, and waits until the product has read it."""
        self._puts += 1
        objects, gone = [_of_generation(each, self._puts) for each in objects], set(delete)
        revision = self._etcd.write(objects, gone)
        put = {key_in_etcd(obj) for obj in objects}
        self._held = (self._held - gone) | {key_in_etcd(obj) for obj in objects if obj["kind"] != "ConfigMap"}
        kinds = (*_ISTIO_KINDS, "ConfigMap")
        expected = {key_in_etcd(obj): revision for obj in objects if obj["kind"] in kinds}

        def read() -> bool:
            live = self._run(self._target.gather())
            assert isinstance(live, KubernetesLive)
            found = {_key(key): each for key, each in live.observation.objects.items()}
            return all(
                key in found and int(found[key].version) >= version for key, version in expected.items()
            ) and not ((gone - put) & found.keys())

        self._until(read, f"the product at revision {revision}")

    def _managed(self) -> dict[str, Object]:
        """Managed objects, by key."""
        found = (item for kind in _ISTIO_KINDS for item in self._etcd.objects(kind).items())
        return {key: obj for key, obj in found if _labels(obj).items() >= MANAGED_BY.items()}

    def _aged(self, snapshot: Snapshot) -> list[Object]:
        """Managed objects, made as old as the resources that they were rendered from."""
        aged = []
        for obj in self._managed().values():
            versioned = snapshot.get(obj["metadata"]["annotations"][RESOURCE_ANNOTATION])
            assert versioned is not None
            born = _timestamp(versioned.create_time)
            if obj["metadata"]["creationTimestamp"] != born:
                obj["metadata"] |= {"creationTimestamp": born, "uid": str(uuid.uuid4())}
                aged.append(obj)
        return aged

    def _unallocated(self, world: World) -> list[str]:
        """The ServiceEntries that istiod will still allocate addresses to."""
        undiscovered = NAMESPACE_LABELS if "discoverySelectors" in world.mesh else ()
        return [
            key
            for key, obj in self._etcd.objects("ServiceEntry").items()
            if obj["metadata"]["namespace"] not in undiscovered
            and _labels(obj).get("istio.io/rev", "default") == "default"
            and _labels(obj).get("networking.istio.io/enable-autoallocate-ip") != "false"
            and obj["spec"].get("resolution", "NONE") != "NONE"
            and not obj["spec"].get("addresses")
            and any(not host.startswith("*") for host in obj["spec"]["hosts"])
            and not (obj.get("status") or {}).get("addresses")
        ]

    def _dialed(self, questions: Sequence[Question]) -> Iterator[Question]:
        """The questions with the addresses that istiod has allocated, or with those in DNS if it has not."""
        found = {
            each["host"]: each["value"]
            for obj in self._etcd.objects("ServiceEntry").values()
            for each in (obj.get("status") or {}).get("addresses", ())
            if ":" not in each["value"]
        }
        for each in questions:
            allocated = each.address == ALLOCATED
            yield replace(each, address=found.get(each.host, NATURAL[each.host])) if allocated else each

    def _mesh_config(self, settings: Mapping[str, Any]) -> Object:
        return {**self._usual_map, "data": {**self._usual_map["data"], "mesh": yaml.safe_dump(dict(settings))}}

    def _dry_run(self, index: int, foreign: Foreign) -> Object | None:
        """The object as the API server would store it; None if it or the webhook rejects it."""
        obj, text = foreign.obj, json.dumps(foreign.obj, sort_keys=True)
        if obj["kind"] not in (*_ISTIO_KINDS, "WorkloadEntry"):
            return obj
        if text not in self._valid:
            meta = obj["metadata"]
            unused = {**obj, "metadata": {**meta, "name": f"{meta['name']}-dry-run"}}
            path = path_of(obj["kind"], meta["namespace"])
            try:
                stored = self._apis[index % len(self._apis)].request("POST", path, unused, dryRun="All")
            except RuntimeError as error:
                if "denied the request" not in str(error) and "is invalid" not in str(error):
                    raise
                self.rejected.append(f"{foreign.name}: {error}")
                self._valid[text] = None
            else:
                self._valid[text] = {**obj, "spec": stored["spec"]}
        return self._valid[text]

    def _prepare(self) -> None:
        """Removes what the harness has for other tests, and installs what the markers refer to."""
        api = self._apis[0]
        for path in _FROM_THE_HARNESS:
            api.delete(path)
        for name in (*NAMESPACES, ROOT, marker.NAMESPACE):
            labels = {"istio-injection": "enabled", **NAMESPACE_LABELS.get(name, {"discover": "yes"})}
            self._mesh.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self._mesh.put(*marker.fixed_objects())
        self._usual_map = api.get(_MESH_CONFIG)
        self._usual_mesh: dict[str, Any] = yaml.safe_load(self._usual_map["data"]["mesh"])

    async def _open(self) -> Kubernetes:
        connection = await kubeconfig_connection(self._mesh.kubeconfig.read_text())
        return Kubernetes(ApiClient(connection), _CLUSTER)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise NotShown(f"{what}: not within {_PATIENCE_SECONDS:g} s")
            self._run(asyncio.sleep(_POLL_SECONDS))


def _key(key: ObjectKey) -> str:
    meta = {"namespace": key.namespace, "name": key.name}
    return key_in_etcd({"kind": key.kind, "metadata": meta})


def _split(world: World) -> tuple[list[Foreign], Sequence[Foreign]]:
    """The objects that exist before managed ones are applied, and those that come later."""
    first = min((policy.at for policy in world.policies), default=0)
    return [each for each in world.objects if each.at <= first], [each for each in world.objects if each.at > first]


def _born(objects: Iterable[Foreign], began: datetime) -> list[Object]:
    return [
        {
            **each.obj,
            "metadata": {
                **each.obj["metadata"],
                "uid": str(uuid.uuid4()),
                "creationTimestamp": _timestamp(began + timedelta(seconds=each.at)),
            },
        }
        for each in objects
    ]


def _labels(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("labels") or {}


def _of_generation(obj: Object, number: int) -> Object:
    """The object with a generation that it never had: istiod takes equal ones for the same content."""
    return {**obj, "metadata": {**obj["metadata"], "generation": number}}


def _timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _snapshot(world: World, began: datetime) -> Snapshot:
    """The desired state, as the store would have it."""
    resources = [(MeshResource("meshes/default"), 0), *((each.resource, each.at) for each in world.policies)]
    times = [(resource, began + timedelta(seconds=at)) for resource, at in resources]
    return Snapshot(
        "default", "epoch", len(times), [Versioned(each, i + 1, born, born) for i, (each, born) in enumerate(times)]
    )
