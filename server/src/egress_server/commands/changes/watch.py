"""Watching a mesh from a cursor on, with nothing missed: across reconnects, restarts and slow readers.

A cursor says how far a watcher is: the revision of the last change, and how many writes of the clusters' records it has
seen. Changes come each, by revision. Of clusters the newest record counts: what lies between two looks is skipped, and
after a reconnect one may come twice.
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
    """How far a watcher is."""

    epoch: str
    revision: int
    status_number: int

    def __str__(self) -> str:
        """Its opaque form."""
        text = f"{self.epoch}:{self.revision}:{self.status_number}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """The cursor in its opaque form; raises InvalidArgument."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        epoch, revision, status_number = plain.split(":")
        return Cursor(epoch, _count(revision), _count(status_number))
    except (ValueError, binascii.Error):
        raise invalid("cursor", "is not a cursor of this stream") from None


def _count(text: str) -> int:
    if not (text.isdigit() and len(text) <= 18):
        raise ValueError(text)
    return int(text)


@dataclass(frozen=True, slots=True)
class WatchChanges:
    """Watch `mesh` after `cursor`, or from now on where that is None."""

    mesh: str
    cursor: Cursor | None
    include_rollouts: bool


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happened, and the cursor to go on from; with nothing in it, it only says that the stream lives."""

    cursor: Cursor
    change: Change | None = None
    rollout: Rollout | None = None


async def watch_changes(services: Services, caller: Caller, query: WatchChanges) -> AsyncGenerator[WatchEvent, None]:
    """Events until the process is to stop; the first one comes at once and has nothing but a cursor.

    Raises NotFound MESH_NOT_FOUND, OutOfRange CURSOR_EXPIRED, Unavailable DRAINING.
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
                raise _expired(at, "what came next is past its retention") from None
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
    """Where to start: a cursor is checked now, so that what is wrong with it is said before anything else."""
    if cursor is None:
        return Cursor(_short(replica), replica.snapshot.revision, replica.status_number)
    if cursor.epoch != _short(replica):
        raise _expired(cursor, "it is of another store")
    if not await replica.wait_revision(cursor.revision, feed.patience):
        raise _expired(cursor, f"the store does not have its revision {cursor.revision}")
    try:
        await feed.stored(cursor.revision, count=1)
    except Gap:
        raise _expired(cursor, "what came next is past its retention") from None
    return replace(cursor, status_number=min(cursor.status_number, replica.status_number))


def _check_history(replica: Replica, at: Cursor) -> None:
    """A store that is replaced or restored under us has another history."""
    if at.epoch != _short(replica) or replica.snapshot.revision < at.revision:
        raise _expired(at, "the store was replaced or restored meanwhile")


def _rollouts(feed: ChangeBroadcaster, at: Cursor) -> Iterator[WatchEvent]:
    """Clusters by their number of writes; the cursor moves past a number with the last of it only."""
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


def _expired(cursor: Cursor, why: str) -> OutOfRange:
    return OutOfRange(
        f"the cursor can't be gone on from: {why}. List the changes, then watch without a cursor",
        reason="CURSOR_EXPIRED",
        metadata={"cursor": str(cursor)},
    )
