"""Takes ended faults out of a cluster with nothing but the cluster: no cache, no store, no state of ours in memory."""

from datetime import datetime

from egress_server.domain.model.objects import MANAGED_BY
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP, STATE_CONFIG_MAP, VIRTUAL_SERVICE, ApiKind
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import cached_object
from egress_server.targets.kubernetes.last_applied import read_state

_TRIES = 4
_OURS = ",".join(f"{name}={value}" for name, value in MANAGED_BY.items())


async def end_faults(client: ApiClient, cache: Cache, root: str, now: datetime) -> None:
    """Takes out what has ended at `now`, of our VirtualServices and of those of others that we wrote into."""
    kind = await Discovery(client).kind(VIRTUAL_SERVICE)
    if kind is None:
        return
    found = (await client.list(kind, labels=_OURS)).items
    for namespace, name in await _written_into(client, root):
        other = await client.find(kind, namespace, name)
        found += [other] if other else []
    for raw in found:
        await _end(client, cache, kind, raw, now)


async def _written_into(client: ApiClient, root: str) -> list[tuple[str, str]]:
    memory = await client.find(CONFIG_MAP, root, STATE_CONFIG_MAP)
    held = read_state(cached_object(CONFIG_MAP.name, memory)).held if memory else {}
    return [(key.namespace, key.name) for key in held if key.kind == VIRTUAL_SERVICE.name]


async def _end(client: ApiClient, cache: Cache, kind: ApiKind, raw: Object, now: datetime) -> None:
    """By the version that was looked at; where that has changed meanwhile, looked at again."""
    for attempt in range(_TRIES):
        [left] = strip_expired([raw], now)
        if left is raw:
            return
        try:
            with cache.writing():
                cache.wrote(kind, await client.replace(kind, left))
            return
        except ApiError as refusal:
            if not refusal.conflict or attempt == _TRIES - 1:
                raise
        again = await client.find(kind, raw["metadata"]["namespace"], raw["metadata"]["name"])
        if again is None:
            return
        raw = again
