"""What a cluster can do, as far as it tells: versions, kinds, ambient mode."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from egress_server.domain.inventory import Capabilities
from egress_server.targets.kubernetes.answers import Refusal
from egress_server.targets.kubernetes.client import Client, Object
from egress_server.targets.kubernetes.discovery import Discovery
from egress_server.targets.kubernetes.kinds import (
    ADMISSION_POLICY,
    DAEMON_SET,
    DEPLOYMENT,
    DESTINATION_RULE,
    ISTIO,
    SERVICE_CIDR,
    SERVICE_ENTRY,
    SIDECAR,
    VIRTUAL_SERVICE,
)

_ISTIO_KINDS = (SERVICE_ENTRY, VIRTUAL_SERVICE, DESTINATION_RULE, SIDECAR)
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?[-.0-9A-Za-z]*")
_VERSION_LABEL = "app.kubernetes.io/version"
_DYNAMIC_DNS, _DYNAMIC_DNS_SINCE = "DYNAMIC_DNS", (1, 31)


@dataclass(frozen=True, slots=True)
class Abilities:
    """`capabilities` are for everybody to see; `dynamic_dns` is whether Istio knows that resolution."""

    capabilities: Capabilities = field(default_factory=Capabilities)
    dynamic_dns: bool = True


async def read_abilities(client: Client, root: str, revision: str) -> Abilities:
    """As of now. Raises Refusal, TransientError, PermanentError."""
    discovery = Discovery(client)
    version = await client.read("/version")
    missing = [kind.name for kind in _ISTIO_KINDS if await discovery.kind(kind) is None]
    control_planes = await client.list(DEPLOYMENT, root, labels="app=istiod")
    istio = istio_version(control_planes.items, revision)
    return Abilities(
        Capabilities(
            kubernetes_version=version["gitVersion"],
            istio_version=istio,
            ambient=bool((await client.list(DAEMON_SET, labels="app=ztunnel")).items),
            mutating_admission_policy=await discovery.kind(ADMISSION_POLICY) is not None,
            service_cidr_api=await discovery.kind(SERVICE_CIDR) is not None,
            missing_kinds=tuple(missing),
        ),
        dynamic_dns=_known(istio) if istio else await _in_schema(client),
    )


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


async def _in_schema(client: Client) -> bool:
    """Where the version is not known, by the schema of the objects."""
    try:
        found = await client.read(f"/openapi/v3/apis/{ISTIO}/{SERVICE_ENTRY.version}")
    except Refusal:
        return False
    schemas: Mapping[str, Any] = found.get("components", {}).get("schemas", {})
    schema: Mapping[str, Any] = next(
        (each for name, each in schemas.items() if name.endswith(f".{SERVICE_ENTRY.name}")), {}
    )
    spec = schema.get("properties", {}).get("spec", {}).get("properties", {})
    return _DYNAMIC_DNS in spec.get("resolution", {}).get("enum", ())
