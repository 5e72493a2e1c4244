"""Follows one kind of object: lists it once, then hears of each change, and lists again where it lost the thread."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.client import ApiClient, Event
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object

_log = structlog.get_logger(__name__)

_BACKOFF = Backoff(0.2, 3.0)
_LOOK_FOR_KIND_SECONDS = 20.0

Told = Callable[[ObjectKey, CachedObject | None, CachedObject | None], None]
"""Called with an object's key, what it was and what it is; None where it does not exist."""
Met = Callable[[bool], None]
"""Called whenever the server has answered, or has not."""


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """What a reflector follows: a kind, in one namespace or all, and only the object of one name where given."""

    kind: ApiKind
    namespace: str = ""
    name: str = ""

    @property
    def fields(self) -> str:
        """As the API server selects it."""
        return f"metadata.name={self.name}" if self.name else ""


class Reflector:
    """Keeps `objects` as they are on the server, once `ready`; `trouble` is why it can't just now."""

    def __init__(
        self,
        client: ApiClient,
        discovery: Discovery,
        followed: WatchSpec,
        told: Told,
        met: Met,
        served: Callable[[], None],
    ) -> None:
        """`served` is called when the kind comes to be served, or no longer is."""
        self.followed = followed
        self.objects: dict[ObjectKey, CachedObject] = {}
        self.served: ApiKind | None = None
        self.trouble: TransientError | PermanentError | ApiError | None = None
        self._client = client
        self._discovery = discovery
        self._told = told
        self._met = met
        self._served = served
        self._gone: set[str] = set()
        self._version = ""
        self._settled = asyncio.Event()

    async def ready(self) -> None:
        """Returns once the objects are known or the first try to know them has failed."""
        await self._settled.wait()

    def put(self, item: CachedObject) -> None:
        """An answer of the server to a write of ours."""
        self.objects[item.key] = item

    def drop(self, item: CachedObject) -> None:
        """It was deleted by us: what is still on its way about it is old."""
        if self.objects.pop(item.key, None) is not None:
            self._gone.add(item.uid)

    async def run(self) -> None:
        """Follows until cancelled."""
        failures = 0
        while True:
            try:
                await self._follow()
                failures = 0
            except (TransientError, PermanentError, ApiError) as error:
                if isinstance(error, ApiError) and error.expired:
                    self._version = ""
                    continue
                self._fail(error)
                asked = error.retry_after if isinstance(error, TransientError) else None
                failures += 1
                await asyncio.sleep(max(_BACKOFF.pause(failures), asked or 0.0))
            except Exception:  # until the supervisor runs it again, this cache must not pass for the truth
                self._version = ""
                self._fail(TransientError("INTERNAL", f"{self.followed.kind.plural} could not be understood"))
                raise

    async def _follow(self) -> None:
        """One watch, from its list or from where the last one ended."""
        if not self._version:
            served = await self._discovery.kind(self.followed.kind)
            if served != self.served:
                self.served = served
                self._served()
            if self.served is None:
                self._become({})
                await asyncio.sleep(_LOOK_FOR_KIND_SECONDS)
                return
            await self._list(self.served)
        assert self.served is not None
        place = self.followed
        async for event in self._client.watch(self.served, self._version, place.namespace, fields=place.fields):
            self._meet()
            if event.type != "OPENED":
                self._take(event)

    async def _list(self, served: ApiKind) -> None:
        place = self.followed
        listing = await self._client.list(served, place.namespace, fields=place.fields)
        items = (cached_object(served.name, item) for item in listing.items)
        self._become({item.key: item for item in items})
        self._version = listing.version

    def _become(self, objects: dict[ObjectKey, CachedObject]) -> None:
        before, self.objects = self.objects, objects
        self._gone.clear()
        first = not self._settled.is_set()
        self._settled.set()
        self._meet()
        for key in () if first else before.keys() | objects.keys():
            self._told(key, before.get(key), objects.get(key))

    def _fail(self, error: TransientError | PermanentError | ApiError) -> None:
        if isinstance(error, ApiError):  # such as a kind that is served no more, or a right that was taken away
            self._version = ""
        if self.trouble is None and not isinstance(error, TransientError):
            _log.warning("not_followed", kind=self.followed.kind.name, url=self._client.url, why=str(error))
        self.trouble = error
        self._settled.set()
        self._met(False)

    def _meet(self) -> None:
        self.trouble = None
        self._met(True)

    def _take(self, event: Event) -> None:
        self._version = event.object["metadata"]["resourceVersion"]
        if event.type == "BOOKMARK":
            return
        item = cached_object(self.followed.kind.name, event.object)
        before = self.objects.get(item.key)
        if event.type == "DELETED":
            self._gone.discard(item.uid)
            if before is not None and before.uid == item.uid:
                del self.objects[item.key]
                self._told(item.key, before, None)
        elif item.uid not in self._gone and not _newer(before, item):
            self.objects[item.key] = item
            self._told(item.key, before, item)


def _newer(known: CachedObject | None, told: CachedObject) -> bool:
    """Whether what is known is newer than what is told, as after a write of ours, or the same."""
    return known is not None and known.uid == told.uid and int(known.version) >= int(told.version)
