"""Which kinds a cluster serves in which version, and what it can do."""

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
    ISTIO,
    SERVICE_CIDR,
    SERVICE_ENTRY,
    ApiKind,
)

_VERSIONS: Mapping[str, tuple[str, ...]] = {
    ISTIO: ("v1", "v1beta1", "v1alpha3"),
    ADMISSION: ("v1", "v1beta1"),
    SERVICE_CIDR.group: ("v1", "v1beta1"),
}
"""By group, from the version we like best; of other groups every server has v1."""
_FRESH_SECONDS = 5.0


class Discovery:
    """Asks the API server at most every few seconds."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = asyncio.Lock()

    async def kind(self, kind: ApiKind) -> ApiKind | None:
        """The kind as it is served here; None where it is not."""
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
        except ApiError as refusal:
            if refusal.missing:
                return []
            raise
        return [resource["name"] for resource in found["resources"]]


_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?[-.0-9A-Za-z]*")
_VERSION_LABEL = "app.kubernetes.io/version"
_DYNAMIC_DNS, _DYNAMIC_DNS_SINCE = "DYNAMIC_DNS", (1, 31)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a cluster tells only when it is asked. `dynamic_dns` is whether Istio knows that resolution."""

    kubernetes_version: str = ""
    istio_version: str = ""
    ambient: bool = False
    dynamic_dns: bool = True


async def read_abilities(client: ApiClient, root: str, revision: str) -> Abilities:
    """As of now. Raises Refusal, TransientError, PermanentError."""
    version = await client.read("/version")
    control_planes = await client.list(DEPLOYMENT, root, labels="app=istiod")
    istio = istio_version(control_planes.items, revision)
    ztunnels = await client.list(DAEMON_SET, labels="app=ztunnel")
    dynamic_dns = _known(istio) if istio else await _in_schema(client)
    return Abilities(version["gitVersion"], istio, bool(ztunnels.items), dynamic_dns)


def istio_version(control_planes: Iterable[Object], revision: str) -> str:
    """Of the control plane of that revision: its label's, or its image's; empty where neither says."""
    for deployment in control_planes:
        labels = deployment["metadata"].get("labels") or {}
        if labels.get("istio.io/rev", "default") != (revision or "default"):
            continue
        containers = deployment["spec"]["template"]["spec"]["containers"]
        images = [container["image"].partition("@")[0] for container in containers if container["name"] == "discovery"]
        tags = [image.rpartition("/")[2].partition(":")[2] for image in images]
        return next((text for text in (*tags, labels.get(_VERSION_LABEL, "")) if _VERSION.fullmatch(text)), "")
    return ""


def _known(version: str) -> bool:
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) >= _DYNAMIC_DNS_SINCE


async def _in_schema(client: ApiClient) -> bool:
    """Where the version is not known, by the schema of the objects."""
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
