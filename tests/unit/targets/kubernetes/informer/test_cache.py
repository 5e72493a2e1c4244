"""A watched kind: listed, kept up to date by events, listed again if the watch is lost; and which writes count as
changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import MANAGED_BY, ObjectKey
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.kinds import ENDPOINT_SLICE, SERVICE_ENTRY
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.watch_specs import WatchSpec
from tests.support.doubles.api_server import ENTRIES, ApiServer, an_entry, serving
from tests.support.waiting import until

A = ObjectKey("ServiceEntry", "default", "a")


class Watched:
    """A cache that watches entries, and how often it reported changes."""

    def __init__(self, server: ApiServer, client: ApiClient, cache: Cache) -> None:
        self.server, self.client, self.cache = server, client, cache
        self.changes = 0

    async def listen(self) -> None:
        """Counts the changes."""
        async for _ in self.cache.changes():
            self.changes += 1

    @property
    def known(self) -> dict[str, str]:
        """The version of each cached object, by name."""
        return {key.name: found.version for key, found in self.cache.objects_of(SERVICE_ENTRY).items()}


@asynccontextmanager
async def watched(*objects: dict[str, Any]) -> AsyncIterator[Watched]:
    """A cache of the entries of a server that has these."""
    async with serving() as (server, client):
        server.lists[ENTRIES] = list(objects)
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        followers = Watched(server, client, cache)
        listening = asyncio.create_task(followers.listen())
        try:
            await cache.wait_for_sync()
            await server.until_watched()
            yield followers
        finally:
            listening.cancel()
            await cache.close()


async def test_objects_are_listed_and_then_watched() -> None:
    """Each event is a change."""
    async with watched(an_entry("a", 1)) as f:
        assert f.known == {"a": "1"}
        assert f.changes == 0
        f.server.send_event("ADDED", an_entry("b", 101))
        f.server.send_event("MODIFIED", an_entry("a", 102))
        f.server.send_event("DELETED", an_entry("b", 103))
        await until(lambda: f.known == {"a": "102"})
        assert f.changes >= 1


async def test_an_irrelevant_change_is_not_reported() -> None:
    """Such as a new status, or only a new version."""
    async with watched(an_entry("a", 1)) as f:
        same = an_entry("a", 102) | {"spec": {"hosts": ["v1.example"]}, "status": {"x": "y"}}
        f.server.send_event("MODIFIED", same)
        await until(lambda: f.known == {"a": "102"})
        assert f.changes == 0


async def test_a_watch_that_ended_continues_from_the_last_version() -> None:
    """From the version of the last event or bookmark."""
    async with watched(an_entry("a", 1)) as f:
        f.server.send_event("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
        f.server.send_event("MODIFIED", an_entry("a", 151))
        await until(lambda: f.known == {"a": "151"})
        f.server.end_watches()
        await f.server.until_watched(2)
        assert f.server.queries[-1]["resourceVersion"] == "151"
        assert f.server.requests.count(f"GET {ENTRIES}") == 1


async def test_an_expired_version_is_listed_again() -> None:
    """What changed in between is reported: a deleted and a created object."""
    async with watched(an_entry("a", 1), an_entry("b", 1)) as f:
        f.server.lists[ENTRIES] = [an_entry("b", 1), an_entry("c", 160)]
        f.server.send_event("ERROR", {"code": 410, "reason": "Expired", "message": "too old"})
        await until(lambda: f.known == {"b": "1", "c": "160"})
        await until(lambda: f.changes)
        assert f.server.requests.count(f"GET {ENTRIES}") == 2


async def test_an_event_that_cant_be_parsed_is_not_ignored() -> None:
    """The cluster counts as unavailable until everything is listed again."""
    async with watched(an_entry("a", 1)) as f:
        f.server.send_event("MODIFIED", {"metadata": {"resourceVersion": "7"}})
        await until(lambda: f.changes)
        with pytest.raises(TransientError):
            await f.cache.wait_for_sync()
        f.server.lists[ENTRIES] = [an_entry("b", 8)]
        await until(lambda: f.known == {"b": "8"})
        await f.cache.wait_for_sync()


async def test_a_kind_that_is_not_served_is_empty() -> None:
    """Not an error: Istio may not be installed."""
    async with serving() as (server, client):
        server.respond_with(404)
        server.respond_with(404)
        server.respond_with(404)
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        await cache.wait_for_sync()
        assert cache.served(SERVICE_ENTRY) is None
        assert cache.objects_of(SERVICE_ENTRY) == {}
        await cache.close()


async def test_the_event_of_our_own_write_is_not_reported() -> None:
    """Whether it arrives before the response or after it."""
    async with watched() as f:
        f.server.hold = asyncio.Event()
        made = {**an_entry("a", 0), "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"}
        with f.cache.writing():
            writing = asyncio.create_task(f.client.create(SERVICE_ENTRY, made))
            await until(lambda: f.known)  # the event is there, the answer is not
            f.server.hold.set()
            f.cache.record_write(SERVICE_ENTRY, await writing)
        f.server.send_event("MODIFIED", await writing)
        f.server.send_event("ADDED", an_entry("other", 400))
        await until(lambda: "other" in f.known and f.changes)
        assert f.changes == 1


async def test_foreign_writes_during_our_writes_are_reported() -> None:
    """But only afterwards."""
    async with watched(an_entry("a", 1)) as f:
        with f.cache.writing():
            f.server.send_event("MODIFIED", an_entry("a", 200))
            await until(lambda: f.known == {"a": "200"})
            assert f.changes == 0
        await until(lambda: f.changes == 1)


async def test_an_event_from_before_our_write_does_not_undo_it() -> None:
    """The response is newer than events that are still under way."""
    async with watched(an_entry("a", 1)) as f:
        f.cache.record_write(SERVICE_ENTRY, an_entry("a", 300))
        f.server.send_event("MODIFIED", an_entry("a", 200))
        f.server.send_event("ADDED", an_entry("b", 301))
        await until(lambda: "b" in f.known)
        assert f.known["a"] == "300"


async def test_what_we_deleted_is_not_restored_by_an_old_event() -> None:
    """But a new object of the same name does."""
    async with watched(an_entry("a", 1, labels=dict(MANAGED_BY))) as f:
        with f.cache.writing():
            f.cache.record_delete(f.cache.objects_of(SERVICE_ENTRY)[A])
        f.server.send_event("MODIFIED", an_entry("a", 200))
        f.server.send_event("DELETED", an_entry("a", 201))
        f.server.send_event("ADDED", an_entry("b", 202))
        await until(lambda: "b" in f.known)
        assert f.known == {"b": "202"}
        f.server.send_event("ADDED", an_entry("a", 203, uid="another"))
        await until(lambda: f.known.get("a") == "203")


async def test_a_server_that_cant_be_listed_is_reported() -> None:
    """With the server's own message, and only after it has had a moment to recover."""
    async with serving() as (server, client):
        server.respond_with(503, Retry_After="60")
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        with pytest.raises(TransientError) as raised:
            await cache.wait_for_sync()
        await cache.close()
    assert (raised.value.reason, raised.value.retry_after) == ("API_SERVER_BUSY", 60.0)


@pytest.mark.parametrize("status", [403, 404])
async def test_an_optional_kind_that_cant_be_watched_is_not_served(status: int) -> None:
    """Credentials of an older installation don't permit it; everything else is observed."""
    async with serving() as (server, client):
        server.respond_with(status)
        cache = Cache(client, [WatchSpec(ENDPOINT_SLICE, optional=True)])
        await cache.wait_for_sync()
        assert cache.served(ENDPOINT_SLICE) is None
        assert cache.objects_of(ENDPOINT_SLICE) == {}
        await cache.close()


async def test_a_required_kind_must_be_watched() -> None:
    """The reason names the request."""
    async with serving() as (server, client):
        server.respond_with(403)
        cache = Cache(client, [WatchSpec(ENDPOINT_SLICE)])
        with pytest.raises(PermanentError, match="endpointslices"):
            await cache.wait_for_sync()
        await cache.close()


@pytest.mark.parametrize("follows", [False, True])
async def test_allocated_addresses_are_a_change_where_they_matter(follows: bool) -> None:
    """They are kept in any case."""
    async with watched(an_entry("a", 1)) as f:
        f.cache.follows_allocation = follows
        before = f.cache.revision
        status = {"addresses": [{"host": "a.example.com", "value": "240.240.0.1"}]}
        same = an_entry("a", 102) | {"spec": {"hosts": ["v1.example"]}, "status": status}
        f.server.send_event("MODIFIED", same)
        await until(lambda: f.known == {"a": "102"})
        assert f.cache.objects_of(SERVICE_ENTRY)[A].allocated == (("a.example.com", "240.240.0.1"),)
        assert f.cache.revision == before + 1
        await until(lambda: f.changes == int(follows))
