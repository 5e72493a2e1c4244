"""The watched objects of one cluster, in memory: reading the cluster costs a few dictionary lookups.

Our own writes are distinguished from those of other clients: the response to a write goes into the cache immediately,
so that the next read sees it, and the event that follows is not reported as a change.
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
from egress_server.targets.kubernetes.api.errors import ApiError, as_target_errors
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.foreign_writes import ForeignWrites
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.informer.reflector import Reflector
from egress_server.targets.kubernetes.informer.watch_specs import WatchSpec

_log = structlog.get_logger(__name__)

_PING_SECONDS = 5.0
_RECONNECT_SECONDS = 2.0


class Cache:
    """The objects of `specs`, between `start` and `close`."""

    def __init__(
        self,
        client: ApiClient,
        specs: Iterable[WatchSpec],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        discovery = Discovery(client)
        self._reflectors = [
            Reflector(client, discovery, spec, self._on_update, self._on_response, self._changed) for spec in specs
        ]
        self._monotonic = monotonic
        self._last_response = monotonic()
        self._ping_failure: TransientError | None = None
        self._synced = asyncio.Event()
        self._healthy = asyncio.Event()
        self._healthy.set()
        self._tasks = Background()
        self._changed_event = asyncio.Event()
        self._writers = 0
        self._unattributed: dict[ObjectKey, str] = {}
        self.foreign_writes = ForeignWrites(monotonic)
        self.revision = 0
        """Grows with each change that matters here."""
        self.follows_allocation = False
        """Whether an address that istiod allocates is a change."""

    def start(self) -> None:
        """Starts the watches. Harmless if they run already."""
        if not self._tasks:
            for reflector in self._reflectors:
                self._tasks.start(Task.INFORMER, reflector.run, url=self._client.url, kind=reflector.spec.kind.plural)
            self._tasks.start(Task.INFORMER_PING, self._ping, url=self._client.url)

    async def close(self) -> None:
        """Ends the watches."""
        await self._tasks.close()
        self._changed_event.set()

    async def wait_for_sync(self) -> None:
        """Returns once every kind was listed and the server can be reached.

        Raises TransientError UNREACHABLE if it can't, PermanentError PERMISSIONS_MISSING if we may not list or watch.
        """
        self.start()
        for reflector in self._reflectors:
            await reflector.ready()
        self._synced.set()
        # A broken watch usually recovers immediately.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RECONNECT_SECONDS):
                await self._healthy.wait()
        if failure := self._failure():
            with as_target_errors():
                raise failure

    def objects_of(self, kind: ApiKind) -> Mapping[ObjectKey, CachedObject]:
        """The objects of a kind."""
        found = [reflector.objects for reflector in self._reflectors if reflector.spec.kind is kind]
        return found[0] if len(found) == 1 else {key: item for objects in found for key, item in objects.items()}

    def get(self, key: ObjectKey) -> CachedObject | None:
        """One object."""
        return next((found for each in self._reflectors_of(key) if (found := each.objects.get(key))), None)

    def served(self, kind: ApiKind) -> ApiKind | None:
        """A kind in the version that the cluster serves; None if it serves none."""
        return next((each.served for each in self._reflectors if each.spec.kind.name == kind.name), None)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surrounds our writes: only after them is it known which of the events we caused."""
        self._writers += 1
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers and self._unattributed:
                self._unattributed.clear()
                self._changed_event.set()

    def record_write(self, kind: ApiKind, response: Object) -> CachedObject:
        """Takes the object as the server returned it for one of our writes."""
        item = cached_object(kind.name, response)
        if self._unattributed.get(item.key) == item.version:
            del self._unattributed[item.key]
        for reflector in self._reflectors_of(item.key):
            known = reflector.objects.get(item.key)
            if known is None or known.uid != item.uid or int(known.version) < int(item.version):
                reflector.put(item)
        self.revision += 1
        return item

    def record_delete(self, item: CachedObject) -> None:
        """We have deleted an object."""
        self._unattributed.pop(item.key, None)
        for reflector in self._reflectors_of(item.key):
            reflector.drop(item)
        self.revision += 1

    def trigger(self) -> None:
        """Makes `changes` yield although no watched object has changed."""
        self._changed_event.set()

    async def changes(self) -> AsyncIterator[None]:
        """Yields after changes by other clients, until `close`."""
        self.start()
        while self._tasks:
            await self._changed_event.wait()
            self._changed_event.clear()
            if self._tasks:
                yield

    def _reflectors_of(self, key: ObjectKey) -> list[Reflector]:
        return [
            each for each in self._reflectors if each.spec.kind.name == key.kind and each.spec.name in ("", key.name)
        ]

    def _on_update(self, key: ObjectKey, before: CachedObject | None, after: CachedObject | None) -> None:
        if before is not None and after is not None and before.content_equals(after):
            if before.allocated != after.allocated:
                self._addresses_allocated()
            return
        self.revision += 1
        last = after or before
        assert last is not None
        if self._writers:
            self._unattributed[key] = last.version
        else:
            self._changed_event.set()
        if not (self._writers and last.managed):
            self.foreign_writes.record(key.kind, last.writer)

    def _addresses_allocated(self) -> None:
        """istiod has allocated addresses, which only matter to sidecars that answer DNS queries."""
        self.revision += 1
        if self.follows_allocation:
            self._changed_event.set()

    def _failure(self) -> TransientError | PermanentError | ApiError | None:
        failures = [each.failure for each in self._reflectors if each.failure is not None]
        return self._ping_failure or next(iter(failures), None)

    def _changed(self) -> None:
        """A kind is now served, or no longer."""
        self.revision += 1
        if self._synced.is_set():
            self._changed_event.set()

    def _on_response(self, succeeded: bool) -> None:
        """A reflector's request succeeded, or failed."""
        if succeeded:
            self._last_response, self._ping_failure = self._monotonic(), None
        self._update_health()

    def _update_health(self) -> None:
        """Losing the server, or reaching it again, counts as a change."""
        failure = self._failure()
        if (failure is None) == self._healthy.is_set():
            return
        self._changed_event.set()
        if failure is None:
            self._healthy.set()
            _log.info("watches_recovered", url=self._client.url)
        else:
            self._healthy.clear()
            _log.warning("watches_failed", url=self._client.url, reason=str(failure))

    async def _ping(self) -> None:
        """A server that hangs keeps its connections open: only a request shows it."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            if self._monotonic() - self._last_response < _PING_SECONDS:
                continue
            try:
                await self._client.ping()
                self._last_response, self._ping_failure = self._monotonic(), None
            except TransientError as error:
                self._ping_failure = error
            self._update_health()
