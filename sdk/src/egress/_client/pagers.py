"""Lists that are fetched in pages and iterated as one list."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

__all__ = ["AsyncPager", "Pager"]

Item = TypeVar("Item")
Page = TypeVar("Page")

Items = Callable[[Page], Sequence[Item]]


class Pager(Generic[Item, Page]):
    """Iterates over the items of all pages; `pages` iterates over the replies. A page is fetched when it is reached."""

    def __init__(self, fetch: Callable[[str], Page], items: Items[Page, Item]) -> None:
        self._fetch = fetch
        self._items = items

    @property
    def pages(self) -> Iterator[Page]:
        """The replies, one per page. Fetching a page raises EgressError like any call."""
        token = ""
        while True:
            page = self._fetch(token)
            yield page
            token = page.next_page_token  # type: ignore[attr-defined]
            if not token:
                return

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages:
            yield from self._items(page)


class AsyncPager(Generic[Item, Page]):
    """Pager for `async for`."""

    def __init__(self, fetch: Callable[[str], Awaitable[Page]], items: Items[Page, Item]) -> None:
        self._fetch = fetch
        self._items = items

    @property
    async def pages(self) -> AsyncIterator[Page]:
        """The replies, one per page."""
        token = ""
        while True:
            page = await self._fetch(token)
            yield page
            token = page.next_page_token  # type: ignore[attr-defined]
            if not token:
                return

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages:
            for item in self._items(page):
                yield item
