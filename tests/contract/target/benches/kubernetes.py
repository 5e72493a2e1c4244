"""The kubernetes target, with an API server: the one in memory, or a real one in tests/mesh."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Protocol

from kubernetes.aio.client import Configuration

from egress_server.domain.model.clusters import Cluster, KubernetesTarget, MeshPolicyBackend
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey
from egress_server.domain.model.resources import Resource
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.connection import ApiConnection
from egress_server.targets.kubernetes.target import Kubernetes
from tests.contract.target.benches.bench import TargetBench, Topic
from tests.support.doubles.api_server import running
from tests.support.doubles.memory_api_server import MemoryApiServer
from tests.support.doubles.memory_target import foreign_object
from tests.support.meshes import entry
from tests.support.target_driver import TargetDriver

CLUSTER = Cluster(
    "meshes/default/clusters/c0",
    KubernetesTarget(mesh_policy=MeshPolicyBackend.SIDECAR),
)
_ISTIO = "/apis/networking.istio.io/v1"
_PLURALS = {
    "ServiceEntry": "serviceentries",
    "VirtualService": "virtualservices",
    "DestinationRule": "destinationrules",
    "Sidecar": "sidecars",
}
_RECORD = "/api/v1/namespaces/istio-system/configmaps/egress-state"


class KubernetesApi(Protocol):
    """An API server, for another client of it."""

    async def request(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """The response; a PATCH is a merge patch. Raises an exception if the server rejects the request."""

    async def take_down(self) -> None:
        """It can't be reached from now on."""

    async def bring_back(self) -> None:
        """It can be reached again."""


class KubernetesBench(TargetBench):
    """The namespaces `default` and `istio-system` exist, and no objects of Istio's kinds."""

    opt_outs: ClassVar[Mapping[Topic, str]] = {}
    unsupported: ClassVar[Resource] = entry("unsupported", namespace="nowhere")

    def __init__(self, api: KubernetesApi, connect: Callable[[], Awaitable[ApiClient]]) -> None:
        self._api = api
        self._connect = connect
        self._drivers: list[TargetDriver] = []

    async def start(self) -> None:
        """Opens the first process."""
        self.process = await self.another()

    async def another(self) -> TargetDriver:
        """See TargetBench."""
        driver = TargetDriver(Kubernetes(await self._connect(), CLUSTER), CLUSTER)
        self._drivers.append(driver)
        return driver

    def spoil(self, obj: IstioObject) -> IstioObject:
        """See TargetBench."""
        return {**obj, "spec": {**obj["spec"], "resolution": "NEVER"}}

    async def close(self) -> None:
        """See TargetBench."""
        for driver in self._drivers:
            await driver.close()

    async def versions(self) -> Mapping[str, object]:
        """See TargetBench."""
        found = [obj["metadata"] for plural in _PLURALS.values() for obj in await self._items(plural)]
        record = await self._api.request("GET", _RECORD)
        held = {metadata["name"]: metadata["resourceVersion"] for metadata in found}
        return {**held, "witness": record["metadata"]["resourceVersion"]}

    async def creation_order(self) -> Sequence[str]:
        """See TargetBench."""
        created = {
            obj["metadata"]["creationTimestamp"]: obj["metadata"]["name"] for obj in await self._items("serviceentries")
        }
        return [name for _, name in sorted(created.items())]

    async def create_foreign(self, name: str) -> None:
        """See TargetBench."""
        ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
        obj = foreign_object("ServiceEntry", "default", name, {"hosts": [f"{name}.example.org"], "ports": ports})
        path = f"{_ISTIO}/namespaces/default/serviceentries"
        await self._api.request("POST", path, obj, fieldManager="kubectl")

    async def delete_foreign(self, name: str) -> None:
        """See TargetBench."""
        await self.delete(ObjectKey("ServiceEntry", "default", name))

    async def foreign(self) -> Mapping[str, object]:
        """See TargetBench."""
        items = await self._items("serviceentries")
        return {obj["metadata"]["name"]: obj for obj in items if obj["metadata"].get("labels") != MANAGED_BY}

    async def change(self, key: ObjectKey, spec: Mapping[str, Any], by: str = "kubectl") -> None:
        """See TargetBench."""
        await self._api.request("PATCH", _path(key), {"spec": dict(spec)}, fieldManager=by)

    async def delete(self, key: ObjectKey) -> None:
        """See TargetBench."""
        await self._api.request("DELETE", _path(key))

    async def take_down(self) -> None:
        """See TargetBench."""
        await self._api.take_down()

    async def bring_back(self) -> None:
        """See TargetBench."""
        await self._api.bring_back()

    async def damage_record(self) -> None:
        """See TargetBench."""
        await self._api.request("PATCH", _RECORD, {"data": {"witness": '{"epoch": '}}, fieldManager="kubectl")

    async def _items(self, plural: str) -> Sequence[Object]:
        items: Sequence[Object] = (await self._api.request("GET", f"{_ISTIO}/{plural}"))["items"]
        return items


def _path(key: ObjectKey) -> str:
    return f"{_ISTIO}/namespaces/{key.namespace}/{_PLURALS[key.kind]}/{key.name}"


@asynccontextmanager
async def kubernetes_in_memory() -> AsyncIterator[KubernetesBench]:
    """A new API server in memory."""
    server = MemoryApiServer("default", "istio-system")

    async def connect() -> ApiClient:
        return ApiClient(ApiConnection(Configuration(host=server.url)))

    async with running(server):
        bench = KubernetesBench(server, connect)
        await bench.start()
        try:
            yield bench
        finally:
            await bench.close()
