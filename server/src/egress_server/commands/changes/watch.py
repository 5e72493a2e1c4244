"""Watches a mesh from a cursor on without missing events: across reconnects, restarts and slow readers.

A cursor is the position of a watcher: the revision of the last change, and the number of status writes it has seen.
Every change is sent, in order. Of each cluster only the newest status is sent: intermediate ones are skipped, and after
a reconnect one may be sent twice.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace

from egress_server.commands.change_broadcaster import ChangeBroadcaster, Gap
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import Change
from egress_server.domain.model.errors import OutOfRange, invalid
from egress_server.domain.model.rollout import Rollout
from egress_server.ports.store import Replica


@dataclass(frozen=True, slots=True)
class Cursor:
    """The position of a watcher."""

    epoch: str
    revision: int
    status_number: int

    def __str__(self) -> str:
        """The opaque form."""
        text = f"{self.epoch}:{self.revision}:{self.status_number}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """The cursor from its opaque form. Raises InvalidArgument."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        epoch, revision, status_number = plain.split(":")
        return Cursor(epoch, _count(revision), _count(status_number))
    except (ValueError, binascii.Error):
        raise invalid("cursor", "is not a valid cursor for this stream") from None


def _count(text: str) -> int:
    if not (text.isdigit() and len(text) <= 18):
        raise ValueError(text)
    return int(text)


@dataclass(frozen=True, slots=True)
class WatchChanges:
    """Watch `mesh` after `cursor`, or from now on if it is None."""

    mesh: str
    cursor: Cursor | None
    include_rollouts: bool


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened, and the cursor to continue from. Without a change or rollout it is a keep-alive."""

    cursor: Cursor
    change: Change | None = None
    rollout: Rollout | None = None


async def watch_changes(services: Services, caller: Caller, query: WatchChanges) -> AsyncGenerator[WatchEvent, None]:
    """Events until the process stops. The first one is sent immediately and only has a cursor.

    Raises NotFound MESH_NOT_FOUND, OutOfRange CURSOR_EXPIRED, Unavailable SERVER_STOPPING.
    """
    replica, feed = services.replica(query.mesh), services.feed(query.mesh)
    async with feed.join() as news:
        at = await _begin(replica, feed, query.cursor)
        yield WatchEvent(at)
        while not feed.closed:
            news.clear()
            _check_history(replica, at)
            try:
                changes = await feed.changes(at.revision)
            except Gap:
                raise _expired(at, "the next change is no longer retained") from None
            for change in changes:
                at = replace(at, revision=change.revision)
                yield WatchEvent(at, change=change)
            if changes:
                continue
            for event in _rollouts(feed, at) if query.include_rollouts else ():
                at = event.cursor
                yield event
            if not await _within(news, feed.keep_alive):
                yield WatchEvent(at)


async def _begin(replica: Replica, feed: ChangeBroadcaster, cursor: Cursor | None) -> Cursor:
    """The cursor to start at. A given cursor is checked here, so that an error is the first thing the watcher gets."""
    if cursor is None:
        return Cursor(_short(replica), replica.snapshot.revision, replica.status_number)
    if cursor.epoch != _short(replica):
        raise _expired(cursor, "it belongs to a different store")
    if not await replica.wait_revision(cursor.revision, feed.patience):
        raise _expired(cursor, f"the store does not have revision {cursor.revision}")
    try:
        await feed.stored(cursor.revision, count=1)
    except Gap:
        raise _expired(cursor, "the next change is no longer retained") from None
    return replace(cursor, status_number=min(cursor.status_number, replica.status_number))


def _check_history(replica: Replica, at: Cursor) -> None:
    """A store that was replaced or restored in the meantime has a different history."""
    if at.epoch != _short(replica) or replica.snapshot.revision < at.revision:
        raise _expired(at, "the store was replaced or restored")


def _rollouts(feed: ChangeBroadcaster, at: Cursor) -> Iterator[WatchEvent]:
    """Rollouts ordered by number of writes; the cursor moves past a number only with the last rollout that has it."""
    found = feed.rollouts(at.status_number)
    for index, (number, rollout) in enumerate(found):
        if index + 1 == len(found) or found[index + 1][0] > number:
            at = replace(at, status_number=number)
        yield WatchEvent(at, rollout=rollout)


def _short(replica: Replica) -> str:
    return replica.snapshot.epoch[:8]


async def _within(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True


def _expired(cursor: Cursor, cause: str) -> OutOfRange:
    return OutOfRange(
        f"the cursor has expired: {cause}. List the changes, then watch without a cursor",
        reason="CURSOR_EXPIRED",
        metadata={"cursor": str(cursor)},
    )
