"""Which kinds a cluster serves, in which version, and what else it says about itself."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import (
    ADMISSION,
    DAEMON_SET,
    DEPLOYMENT,
    GATEWAY_API,
    ISTIO,
    SERVICE_CIDR,
    SERVICE_ENTRY,
    WASM_PLUGIN,
    ApiKind,
)

_VERSIONS: Mapping[str, tuple[str, ...]] = {
    ISTIO: ("v1", "v1beta1", "v1alpha3"),
    ADMISSION: ("v1", "v1beta1"),
    SERVICE_CIDR.group: ("v1", "v1beta1"),
    WASM_PLUGIN.group: ("v1alpha1",),
    GATEWAY_API: ("v1", "v1beta1", "v1alpha3", "v1alpha2"),
}
"""By group, most preferred first; every server has v1 of the other groups."""
_FRESH_SECONDS = 5.0


class Discovery:
    """Asks the API server once every few seconds at most."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = asyncio.Lock()

    async def kind(self, kind: ApiKind) -> ApiKind | None:
        """The kind in the version that is served here; None if it is not served."""
        if kind.group not in _VERSIONS:
            return kind
        version = (await self._plurals(kind.group)).get(kind.plural)
        return replace(kind, version=version) if version else None

    async def _plurals(self, group: str) -> dict[str, str]:
        """The best version of each kind in a group, by plural."""
        async with self._lock:
            when, known = self._known.get(group, (float("-inf"), {}))
            if time.monotonic() - when > _FRESH_SECONDS:
                known = {}
                for version in reversed(_VERSIONS[group]):
                    known |= dict.fromkeys(await self._served(group, version), version)
                self._known[group] = time.monotonic(), known
            return known

    async def _served(self, group: str, version: str) -> list[str]:
        try:
            found = await self._client.read(f"/apis/{group}/{version}")
        except ApiError as error:
            if error.missing:
                return []
            raise
        return [resource["name"] for resource in found["resources"]]


_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?[-.0-9A-Za-z]*")
_VERSION_LABEL = "app.kubernetes.io/version"
_DYNAMIC_DNS, _DYNAMIC_DNS_SINCE = "DYNAMIC_DNS", (1, 31)
_AUTO_ALLOCATE, _AUTO_ALLOCATE_SINCE = "PILOT_ENABLE_IP_AUTOALLOCATE", (1, 25)
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})  # as Go parses them


@dataclass(frozen=True, slots=True)
class ClusterInfo:
    """What a cluster only says when asked. `dynamic_dns` is whether its Istio supports that resolution, `auto_allocate`
    whether it allocates addresses for entries without any."""

    kubernetes_version: str = ""
    istio_version: str = ""
    ambient: bool = False
    dynamic_dns: bool = True
    auto_allocate: bool = True


async def read_cluster_info(client: ApiClient, root: str, revision: str) -> ClusterInfo:
    """Reads it now. Raises ApiError, TransientError, PermanentError."""
    version = await client.read("/version")
    control_planes = await client.list(DEPLOYMENT, root, labels="app=istiod")
    istio = istio_version(control_planes.items, revision)
    ztunnels = await client.list(DAEMON_SET, labels="app=ztunnel")
    dynamic_dns = _number(istio) >= _DYNAMIC_DNS_SINCE if istio else await _in_schema(client)
    auto_allocate = auto_allocates(control_planes.items, revision, istio)
    return ClusterInfo(version["gitVersion"], istio, bool(ztunnels.items), dynamic_dns, auto_allocate)


def istio_version(control_planes: Iterable[Object], revision: str) -> str:
    """Of the control plane with that revision: the tag of its image, or its version label; empty if neither is a
    version."""
    deployment = _control_plane(control_planes, revision)
    images = [container["image"].partition("@")[0] for container in _istiods(deployment)]
    tags = [image.rpartition("/")[2].partition(":")[2] for image in images]
    labels = deployment["metadata"].get("labels") or {} if deployment else {}
    return next((text for text in (*tags, labels.get(_VERSION_LABEL, "")) if _VERSION.fullmatch(text)), "")


def auto_allocates(control_planes: Iterable[Object], revision: str, version: str) -> bool:
    """Whether the control plane with that revision and version allocates addresses for entries without any: by its
    environment, else by the default of its version."""
    for container in _istiods(_control_plane(control_planes, revision)):
        for variable in container.get("env") or ():
            if variable["name"] == _AUTO_ALLOCATE:
                return variable.get("value", "") in _TRUE
    return not version or _number(version) >= _AUTO_ALLOCATE_SINCE


def _control_plane(control_planes: Iterable[Object], revision: str) -> Object | None:
    for deployment in control_planes:
        labels = deployment["metadata"].get("labels") or {}
        if labels.get("istio.io/rev", "default") == (revision or "default"):
            return deployment
    return None


def _istiods(deployment: Object | None) -> list[Object]:
    """Its containers that run istiod."""
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    return [container for container in containers if container["name"] == "discovery"]


def _number(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


async def _in_schema(client: ApiClient) -> bool:
    """Checks the schema of the objects if the version is not known."""
    try:
        found = await client.read(f"/openapi/v3/apis/{ISTIO}/{SERVICE_ENTRY.version}")
    except ApiError:
        return False
    schemas: Mapping[str, Any] = found.get("components", {}).get("schemas", {})
    schema: Mapping[str, Any] = next(
        (each for name, each in schemas.items() if name.endswith(f".{SERVICE_ENTRY.name}")), {}
    )
    spec = schema.get("properties", {}).get("spec", {}).get("properties", {})
    return _DYNAMIC_DNS in spec.get("resolution", {}).get("enum", ())
