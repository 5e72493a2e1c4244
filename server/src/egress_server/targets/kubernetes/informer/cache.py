"""All that is followed of one cluster, in memory: what a look at the cluster costs is then a look at a few dicts.

It knows our own writes from those of others: the answer to a write is taken at once, so that the next look sees it, and
the event that tells of it later is no news.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.discovery import Discovery
from egress_server.targets.kubernetes.api.errors import ApiError, outside
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.foreign_writes import ForeignWrites
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.informer.reflector import Reflector, WatchSpec

_log = structlog.get_logger(__name__)

_PING_SECONDS = 5.0
_RECONNECT_SECONDS = 2.0


class Cache:
    """What is `followed`, between `start` and `close`."""

    def __init__(
        self,
        client: ApiClient,
        followed: Iterable[WatchSpec],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        discovery = Discovery(client)
        self._reflectors = [
            Reflector(client, discovery, place, self._told, self._met, self._changed) for place in followed
        ]
        self._monotonic = monotonic
        self._heard_at = monotonic()
        self._silent: TransientError | None = None
        self._known = asyncio.Event()
        self._sound = asyncio.Event()
        self._sound.set()
        self._tasks = Background()
        self._news = asyncio.Event()
        self._writing = 0
        self._held: dict[ObjectKey, str] = {}
        self.foreign_writes = ForeignWrites(monotonic)
        self.revision = 0
        """Grows with each change that anybody here looks at."""

    def start(self) -> None:
        """Begins to follow. Harmless when it has begun already."""
        if not self._tasks:
            for reflector in self._reflectors:
                self._tasks.start(
                    Task.INFORMER, reflector.run, url=self._client.url, kind=reflector.followed.kind.plural
                )
            self._tasks.start(Task.INFORMER_PING, self._ping, url=self._client.url)

    async def close(self) -> None:
        """Follows no more."""
        await self._tasks.close()
        self._news.set()

    async def current(self) -> None:
        """Returns when everything is known and the server is there.

        Raises TransientError UNREACHABLE where it is not, PermanentError PERMISSIONS_MISSING where we may not look.
        """
        self.start()
        for reflector in self._reflectors:
            await reflector.ready()
        self._known.set()
        # A watch that broke is mostly back at once.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self._sound.wait()
        if trouble := self._trouble():
            with outside():
                raise trouble

    def of(self, kind: ApiKind) -> Mapping[ObjectKey, CachedObject]:
        """The objects of a kind."""
        found = [reflector.objects for reflector in self._reflectors if reflector.followed.kind is kind]
        return found[0] if len(found) == 1 else {key: item for objects in found for key, item in objects.items()}

    def get(self, key: ObjectKey) -> CachedObject | None:
        """One object."""
        return next((found for each in self._of(key) if (found := each.objects.get(key))), None)

    def served(self, kind: ApiKind) -> ApiKind | None:
        """A kind in the version that the cluster serves; None where it serves none."""
        return next((each.served for each in self._reflectors if each.followed.kind.name == kind.name), None)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While we write: only afterwards can events be told ours or not."""
        self._writing += 1
        try:
            yield
        finally:
            self._writing -= 1
            if not self._writing and self._held:
                self._held.clear()
                self._news.set()

    def wrote(self, kind: ApiKind, answer: Object) -> CachedObject:
        """What the server made of a write of ours."""
        item = cached_object(kind.name, answer)
        if self._held.get(item.key) == item.version:
            del self._held[item.key]
        for reflector in self._of(item.key):
            known = reflector.objects.get(item.key)
            if known is None or known.uid != item.uid or int(known.version) < int(item.version):
                reflector.put(item)
        self.revision += 1
        return item

    def deleted(self, item: CachedObject) -> None:
        """An object was deleted by us."""
        self._held.pop(item.key, None)
        for reflector in self._of(item.key):
            reflector.drop(item)
        self.revision += 1

    def look_again(self) -> None:
        """There is reason to look although nothing that is followed has changed."""
        self._news.set()

    async def changes(self) -> AsyncIterator[None]:
        """Yields after changes that were not ours, until `close`."""
        self.start()
        while self._tasks:
            await self._news.wait()
            self._news.clear()
            if self._tasks:
                yield

    def _of(self, key: ObjectKey) -> list[Reflector]:
        return [
            each
            for each in self._reflectors
            if each.followed.kind.name == key.kind and each.followed.name in ("", key.name)
        ]

    def _told(self, key: ObjectKey, before: CachedObject | None, after: CachedObject | None) -> None:
        if before is not None and after is not None and before.same_as(after):
            return
        self.revision += 1
        last = after or before
        assert last is not None
        if self._writing:
            self._held[key] = last.version
        else:
            self._news.set()
        if not (self._writing and last.ours):
            self.foreign_writes.saw(key.kind, last.writer)

    def _trouble(self) -> TransientError | PermanentError | ApiError | None:
        troubles = [each.trouble for each in self._reflectors if each.trouble is not None]
        return self._silent or next(iter(troubles), None)

    def _changed(self) -> None:
        """A kind is served, or no longer."""
        self.revision += 1
        if self._known.is_set():
            self._news.set()

    def _met(self, answered: bool) -> None:
        """The server has answered a reflector, or has not."""
        if answered:
            self._heard_at, self._silent = self._monotonic(), None
        self._weigh()

    def _weigh(self) -> None:
        """That the server is lost, or back, is news."""
        trouble = self._trouble()
        if (trouble is None) == self._sound.is_set():
            return
        self._news.set()
        if trouble is None:
            self._sound.set()
            _log.info("cluster_followed_again", url=self._client.url)
        else:
            self._sound.clear()
            _log.warning("cluster_not_followed", url=self._client.url, why=str(trouble))

    async def _ping(self) -> None:
        """A server that hangs keeps its connections open: only a question shows it."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            if self._monotonic() - self._heard_at < _PING_SECONDS:
                continue
            try:
                await self._client.ping()
                self._heard_at, self._silent = self._monotonic(), None
            except TransientError as error:
                self._silent = error
            self._weigh()
