"""Lists: all pages as one reply."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from egress import Pager
from egress.cli.support.output import err, table
from egress.cli.support.session import Session

Item = TypeVar("Item", bound=Message)
Page = TypeVar("Page", bound=Message)


def show_list(
    session: Session,
    pager: Pager[Item, Page],
    items: Callable[[Page], Any],
    limit: int,
    columns: Sequence[str],
    row: Callable[[Item], Sequence[str]],
    remarks: Callable[[Page], Iterable[str]] = lambda _: (),
) -> None:
    """Prints all items, or the first `limit`; for scripts as one ListXResponse without a page token.

    `remarks` are lines that follow a table, on standard error.
    """
    pages = pager.pages
    merged = next(pages)
    while not (limit and len(items(merged)) >= limit) and (page := next(pages, None)):
        merged.MergeFrom(page)
    if limit:
        del items(merged)[limit:]
    merged.ClearField("next_page_token")

    def show() -> None:
        table(columns, map(row, items(merged)))
        for line in remarks(merged):
            err().print(line)

    session.show(merged, show)
