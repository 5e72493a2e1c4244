"""Which of the kinds are served, and in which version: a cluster may have no Istio, or an older Kubernetes."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from egress_server.targets.kubernetes.api.answers import Refusal
from egress_server.targets.kubernetes.api.client import Client
from egress_server.targets.kubernetes.api.kinds import ADMISSION, ISTIO, SERVICE_CIDR, Kind

_VERSIONS: Mapping[str, tuple[str, ...]] = {
    ISTIO: ("v1", "v1beta1", "v1alpha3"),
    ADMISSION: ("v1", "v1beta1"),
    SERVICE_CIDR.group: ("v1", "v1beta1"),
}
"""By group, from the version we like best; of other groups every server has v1."""
_FRESH_SECONDS = 5.0


class Discovery:
    """Asks the API server at most every few seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = asyncio.Lock()

    async def kind(self, kind: Kind) -> Kind | None:
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
        except Refusal as refusal:
            if refusal.missing:
                return []
            raise
        return [resource["name"] for resource in found["resources"]]
