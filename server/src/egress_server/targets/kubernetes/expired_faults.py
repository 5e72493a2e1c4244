"""Removes ended faults from a cluster with nothing but the cluster: no cache, no store, no state in memory."""

from datetime import datetime

from egress_server.domain.model.objects import MANAGED_BY
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP, STATE_CONFIG_MAP, VIRTUAL_SERVICE, ApiKind
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import cached_object
from egress_server.targets.kubernetes.last_applied import read_last_applied

_ATTEMPTS = 4
_MANAGED = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())


async def remove_ended_faults(client: ApiClient, cache: Cache, root: str, now: datetime) -> None:
    """Removes what has ended at `now` from managed VirtualServices and from adopted ones."""
    kind = await Discovery(client).kind(VIRTUAL_SERVICE)
    if kind is None:
        return
    found = (await client.list(kind, labels=_MANAGED)).items
    for namespace, name in await _adopted_virtual_services(client, root):
        adopted = await client.find(kind, namespace, name)
        found += [adopted] if adopted else []
    for raw in found:
        await _strip(client, cache, kind, raw, now)


async def _adopted_virtual_services(client: ApiClient, root: str) -> list[tuple[str, str]]:
    record = await client.find(CONFIG_MAP, root, STATE_CONFIG_MAP)
    saved = read_last_applied(cached_object(CONFIG_MAP.name, record)).saved if record else {}
    return [(key.namespace, key.name) for key in saved if key.kind == VIRTUAL_SERVICE.name]


async def _strip(client: ApiClient, cache: Cache, kind: ApiKind, raw: Object, now: datetime) -> None:
    """Writes at the version that was read; reads again if it has changed meanwhile."""
    for attempt in range(_ATTEMPTS):
        [stripped] = strip_expired([raw], now)
        if stripped is raw:
            return
        try:
            with cache.writing():
                cache.record_write(kind, await client.replace(kind, stripped))
            return
        except ApiError as error:
            if not error.conflict or attempt == _ATTEMPTS - 1:
                raise
        current = await client.find(kind, raw["metadata"]["namespace"], raw["metadata"]["name"])
        if current is None:
            return
        raw = current
