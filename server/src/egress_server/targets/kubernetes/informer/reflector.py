"""Keeps one kind of object in memory: lists it once, watches it, and lists again if the watch is lost."""

import asyncio
from collections.abc import Callable

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.client import ApiClient, Event
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.informer.watch_specs import WatchSpec

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(0.2, 3.0)
_RECHECK_KIND_SECONDS = 20.0

OnUpdate = Callable[[ObjectKey, CachedObject | None, CachedObject | None], None]
"""Called with an object's key, its former and its new state; None if it does not exist."""
OnResponse = Callable[[bool], None]
"""Called after each request to the server with whether it succeeded."""


class Reflector:
    """Keeps `objects` as they are on the server, once `ready`; `failure` is why it currently can't."""

    def __init__(
        self,
        client: ApiClient,
        discovery: Discovery,
        spec: WatchSpec,
        on_update: OnUpdate,
        on_response: OnResponse,
        on_served: Callable[[], None],
    ) -> None:
        """`on_served` is called when the server begins or ceases to serve the kind."""
        self.spec = spec
        self.objects: dict[ObjectKey, CachedObject] = {}
        self.served: ApiKind | None = None
        self.failure: TransientError | PermanentError | ApiError | None = None
        self._client = client
        self._discovery = discovery
        self._on_update = on_update
        self._on_response = on_response
        self._on_served = on_served
        self._deleted_uids: set[str] = set()
        self._version = ""
        self._settled = asyncio.Event()

    async def ready(self) -> None:
        """Returns once the objects are known, or the first attempt to list them has failed."""
        await self._settled.wait()

    def put(self, item: CachedObject) -> None:
        """Takes the server's response to one of our writes."""
        self.objects[item.key] = item

    def drop(self, item: CachedObject) -> None:
        """We have deleted it: events about it that are still under way are outdated."""
        if self.objects.pop(item.key, None) is not None:
            self._deleted_uids.add(item.uid)

    async def run(self) -> None:
        """Lists and watches until cancelled."""
        failures = 0
        while True:
            try:
                await self._watch_once()
                failures = 0
            except (TransientError, PermanentError, ApiError) as error:
                if isinstance(error, ApiError) and error.expired:
                    self._version = ""
                    continue
                if self.spec.optional and isinstance(error, ApiError) and (error.forbidden or error.missing):
                    self._do_without()
                    await asyncio.sleep(_RECHECK_KIND_SECONDS)
                    continue
                self._fail(error)
                retry_after = error.retry_after if isinstance(error, TransientError) else None
                failures += 1
                await asyncio.sleep(max(_BACKOFF.pause(failures), retry_after or 0.0))
            except Exception:  # until the supervisor restarts it, the cache must not count as current
                self._version = ""
                self._fail(TransientError("INTERNAL", f"unexpected response while watching {self.spec.kind.plural}"))
                raise

    async def _watch_once(self) -> None:
        """One watch, from a new list or from where the last watch ended."""
        if not self._version:
            served = await self._discovery.kind(self.spec.kind)
            if served is None:
                self._do_without()
                await asyncio.sleep(_RECHECK_KIND_SECONDS)
                return
            await self._list(served)
            self._set_served(served)
        assert self.served is not None
        spec = self.spec
        async for event in self._client.watch(self.served, self._version, spec.namespace, fields=spec.fields):
            self._responded()
            if event.type != "OPENED":
                self._handle(event)

    def _do_without(self) -> None:
        """The kind is not served, or we may not watch it."""
        self._version = ""
        self._replace_all({})
        self._set_served(None)

    def _set_served(self, served: ApiKind | None) -> None:
        if served != self.served:
            self.served = served
            self._on_served()

    async def _list(self, served: ApiKind) -> None:
        spec = self.spec
        listing = await self._client.list(served, spec.namespace, fields=spec.fields)
        items = (cached_object(served.name, item) for item in listing.items)
        self._replace_all({item.key: item for item in items})
        self._version = listing.version

    def _replace_all(self, objects: dict[ObjectKey, CachedObject]) -> None:
        before, self.objects = self.objects, objects
        self._deleted_uids.clear()
        first = not self._settled.is_set()
        self._settled.set()
        self._responded()
        for key in () if first else before.keys() | objects.keys():
            self._on_update(key, before.get(key), objects.get(key))

    def _fail(self, error: TransientError | PermanentError | ApiError) -> None:
        if isinstance(error, ApiError):  # such as a kind no longer served, or a permission revoked
            self._version = ""
        if self.failure is None and not isinstance(error, TransientError):
            _log.warning("watch_failed", kind=self.spec.kind.name, url=self._client.url, reason=str(error))
        self.failure = error
        self._settled.set()
        self._on_response(False)

    def _responded(self) -> None:
        self.failure = None
        self._on_response(True)

    def _handle(self, event: Event) -> None:
        self._version = event.object["metadata"]["resourceVersion"]
        if event.type == "BOOKMARK":
            return
        item = cached_object(self.spec.kind.name, event.object)
        before = self.objects.get(item.key)
        if event.type == "DELETED":
            self._deleted_uids.discard(item.uid)
            if before is not None and before.uid == item.uid:
                del self.objects[item.key]
                self._on_update(item.key, before, None)
        elif item.uid not in self._deleted_uids and not _newer(before, item):
            self.objects[item.key] = item
            self._on_update(item.key, before, item)


def _newer(known: CachedObject | None, item: CachedObject) -> bool:
    """Whether what is known is as new as `item`, as after one of our writes."""
    return known is not None and known.uid == item.uid and int(known.version) >= int(item.version)
