"""A kind of object followed: listed, heard of, listed again where the thread was lost; and whose writes are news."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import MANAGED_BY, ObjectKey
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.kinds import SERVICE_ENTRY
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.reflector import WatchSpec
from tests.unit.targets.kubernetes.informer.api_server import ENTRIES, ApiServer, an_entry, serving

A = ObjectKey("ServiceEntry", "default", "a")


class Followers:
    """A cache that follows entries, and how often it has told of news."""

    def __init__(self, server: ApiServer, client: ApiClient, cache: Cache) -> None:
        self.server, self.client, self.cache = server, client, cache
        self.news = 0

    async def listen(self) -> None:
        """Counts the news."""
        async for _ in self.cache.changes():
            self.news += 1

    @property
    def known(self) -> dict[str, str]:
        """The version of each object that is known, by name."""
        return {key.name: found.version for key, found in self.cache.of(SERVICE_ENTRY).items()}

    async def until(self, holds: Callable[[], Any]) -> None:
        """Returns when it is so."""
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)


@asynccontextmanager
async def following(*objects: dict[str, Any]) -> AsyncIterator[Followers]:
    """Entries followed, of a server that has these."""
    async with serving() as (server, client):
        server.lists[ENTRIES] = list(objects)
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        followers = Followers(server, client, cache)
        listening = asyncio.create_task(followers.listen())
        try:
            await cache.current()
            await server.until_watched()
            yield followers
        finally:
            listening.cancel()
            await cache.close()


async def test_what_is_there_is_known_and_then_what_happens() -> None:
    """Each change is news."""
    async with following(an_entry("a", 1)) as f:
        assert f.known == {"a": "1"}
        assert f.news == 0
        f.server.tell("ADDED", an_entry("b", 101))
        f.server.tell("MODIFIED", an_entry("a", 102))
        f.server.tell("DELETED", an_entry("b", 103))
        await f.until(lambda: f.known == {"a": "102"})
        assert f.news >= 1


async def test_a_change_of_nothing_that_counts_is_no_news() -> None:
    """Such as another status, or another version only."""
    async with following(an_entry("a", 1)) as f:
        same = an_entry("a", 102) | {"spec": {"hosts": ["v1.example"]}, "status": {"x": "y"}}
        f.server.tell("MODIFIED", same)
        await f.until(lambda: f.known == {"a": "102"})
        assert f.news == 0


async def test_a_watch_that_ended_goes_on_from_where_it_was() -> None:
    """By the version of the last event, or of a bookmark."""
    async with following(an_entry("a", 1)) as f:
        f.server.tell("BOOKMARK", {"metadata": {"resourceVersion": "150"}})
        f.server.tell("MODIFIED", an_entry("a", 151))
        await f.until(lambda: f.known == {"a": "151"})
        f.server.end_watches()
        await f.server.until_watched(2)
        assert f.server.queries[-1]["resourceVersion"] == "151"
        assert f.server.asked.count(f"GET {ENTRIES}") == 1


async def test_where_the_server_has_forgotten_all_is_listed_again() -> None:
    """And what changed in between is news: an object that went, one that came."""
    async with following(an_entry("a", 1), an_entry("b", 1)) as f:
        f.server.lists[ENTRIES] = [an_entry("b", 1), an_entry("c", 160)]
        f.server.tell("ERROR", {"code": 410, "reason": "Expired", "message": "too old"})
        await f.until(lambda: f.known == {"b": "1", "c": "160"})
        await f.until(lambda: f.news)
        assert f.server.asked.count(f"GET {ENTRIES}") == 2


async def test_what_can_not_be_understood_is_not_passed_over() -> None:
    """The cluster counts as not looked at until all is listed again."""
    async with following(an_entry("a", 1)) as f:
        f.server.tell("MODIFIED", {"metadata": {"resourceVersion": "7"}})
        await f.until(lambda: f.news)
        with pytest.raises(TransientError):
            await f.cache.current()
        f.server.lists[ENTRIES] = [an_entry("b", 8)]
        await f.until(lambda: f.known == {"b": "8"})
        await f.cache.current()


async def test_a_kind_that_is_not_served_is_empty() -> None:
    """That is no trouble: Istio may not be there."""
    async with serving() as (server, client):
        server.dictate(404)
        server.dictate(404)
        server.dictate(404)
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        await cache.current()
        assert cache.served(SERVICE_ENTRY) is None
        assert cache.of(SERVICE_ENTRY) == {}
        await cache.close()


async def test_the_event_of_a_write_of_ours_is_no_news() -> None:
    """Whether it comes before the answer or after it."""
    async with following() as f:
        f.server.hold = asyncio.Event()
        made = {**an_entry("a", 0), "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry"}
        with f.cache.writing():
            writing = asyncio.create_task(f.client.create(SERVICE_ENTRY, made))
            await f.until(lambda: f.known)  # the event is there, the answer is not
            f.server.hold.set()
            f.cache.wrote(SERVICE_ENTRY, await writing)
        f.server.tell("MODIFIED", await writing)
        f.server.tell("ADDED", an_entry("other", 400))
        await f.until(lambda: "other" in f.known and f.news)
        assert f.news == 1


async def test_what_others_write_while_we_do_is_news() -> None:
    """Though only afterwards."""
    async with following(an_entry("a", 1)) as f:
        with f.cache.writing():
            f.server.tell("MODIFIED", an_entry("a", 200))
            await f.until(lambda: f.known == {"a": "200"})
            assert f.news == 0
        await f.until(lambda: f.news == 1)


async def test_an_event_from_before_our_write_does_not_undo_it() -> None:
    """The answer is newer than what is still on its way."""
    async with following(an_entry("a", 1)) as f:
        f.cache.wrote(SERVICE_ENTRY, an_entry("a", 300))
        f.server.tell("MODIFIED", an_entry("a", 200))
        f.server.tell("ADDED", an_entry("b", 301))
        await f.until(lambda: "b" in f.known)
        assert f.known["a"] == "300"


async def test_what_we_deleted_does_not_come_back_by_an_old_event() -> None:
    """And an object of the same name that comes later does."""
    async with following(an_entry("a", 1, labels=dict(MANAGED_BY))) as f:
        with f.cache.writing():
            f.cache.deleted(f.cache.of(SERVICE_ENTRY)[A])
        f.server.tell("MODIFIED", an_entry("a", 200))
        f.server.tell("DELETED", an_entry("a", 201))
        f.server.tell("ADDED", an_entry("b", 202))
        await f.until(lambda: "b" in f.known)
        assert f.known == {"b": "202"}
        f.server.tell("ADDED", an_entry("a", 203, uid="another"))
        await f.until(lambda: f.known.get("a") == "203")


async def test_a_server_that_can_not_be_looked_at_is_told() -> None:
    """With its own words, and only after it has had a moment to come back."""
    async with serving() as (server, client):
        server.dictate(503, Retry_After="60")
        cache = Cache(client, [WatchSpec(SERVICE_ENTRY)])
        with pytest.raises(TransientError) as raised:
            await cache.current()
        await cache.close()
    assert (raised.value.reason, raised.value.retry_after) == ("API_SERVER_BUSY", 60.0)
