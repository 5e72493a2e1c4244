"""The store of desired state, as the rest of the server needs it.

`Store.commit` is the only way to change anything. It is atomic, checks before it writes, and replays: a request that
was committed before gets the first answer again. Exceptions of the database never cross this port.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Change, ChangeRecord, Versioned
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Identifies a request: two with the same key are one. `fingerprint` is a digest of the canonical command."""

    principal: str
    method: str
    request_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One mutation computed on a snapshot at (`epoch`, `revision`).

    `read` are the buckets that its blocking rules read, `touch` those it changes. With `deletes`, `resource` is
    the last state of what is deleted. `traceparent` links applies to the call (W3C; empty: not traced).
    """

    mesh: str
    epoch: str
    revision: int
    read: frozenset[str]
    touch: frozenset[str]
    resource: Resource
    deletes: bool
    record: ChangeRecord
    request: RequestKey
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Committed:
    """The outcome of a commit. `replayed` means that an earlier call with the same request had made it."""

    change: Change
    versioned: Versioned[Resource]
    replayed: bool = False
    traceparent: str = ""


class Stale(Exception):
    """A bucket that the commit read has changed, or the store's epoch has: take a newer snapshot and run again."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the store is at revision {revision}")
        self.revision = revision


@dataclass(frozen=True, slots=True)
class Arrival:
    """A change as this process received it: when it was accepted, and the trace of its call (empty: none).

    If one read brought several changes of a resource, all of them have the time of the last.
    """

    revision: int
    accept_time: datetime
    traceparent: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change a cluster until `deadline` (time.monotonic() seconds). A higher fence is newer."""

    cluster: str
    fence: int
    deadline: float


class ApplierStore(Protocol):
    """What appliers need of the store: leases, their records, its clock, digests to tell whether it is the store that a
    cluster knows, and commits to expire faults.

    Every method raises Unavailable while the database can't be reached.
    """

    async def commit(self, commit: Commit) -> Committed:
        """Makes the mutation durable and returns it with its revision.

        Raises Stale; Aborted REQUEST_ID_REUSED if the request id was used with another body.
        A lost connection is retried within the call, which the request key makes safe.
        """

    async def digest(self, mesh: str, revision: int) -> str | None:
        """SHA-256 of the audit record of `revision`, in hex; None if the store does not have it, because it was never
        made or is past retention. That of the newest revision is kept however old it is.

        Reads from the database itself, since this decides whether the store was lost or restored.
        """

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        """Writes one status per cluster in one script; returns the clusters that were skipped because their fence was
        too old."""

    async def put_inventory(self, mesh: str, inventory: Inventory) -> None:
        """Replaces the inventory of a cluster."""

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        """Deletes the inventory of a cluster. Harmless if there is none."""

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        """Takes or renews the lease on a cluster for `ttl` seconds; None while another owner holds it."""

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        """Gives the lease back, if `owner` holds it."""

    async def now(self) -> datetime:
        """The store's clock."""


class Store(ApplierStore, Protocol):
    """Durable desired state, history, audit, idempotency and the appliers' records, per mesh.

    Every method raises Unavailable while the database can't be reached.
    """

    async def find_replay(self, mesh: str, request: RequestKey) -> Committed | None:
        """What an earlier call with the same request committed; raises Aborted REQUEST_ID_REUSED as commit does."""

    async def change(self, mesh: str, revision: int) -> Committed | None:
        """The change of a revision and the resource as of then; None if unknown or past retention.

        If that version is no longer kept, the newest one is returned instead, with its own revision.
        """

    async def version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        """`resource` as of its change at exactly `revision`; None if unknown or past retention."""

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        """Asks the applier of `cluster` for a resync, by Replica.resyncs; a hint that may get lost."""

    async def newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        """The last version of `resource`, including a deletion; None if unknown or past retention."""

    async def changes(
        self, mesh: str, *, before: int | None, after: int | None, count: int, newest_first: bool
    ) -> Sequence[Change]:
        """At most `count` changes with `after` < revision < `before`, in revision order or newest first."""


class Replica(Protocol):
    """This process's copy of one mesh, kept current by the store's streams."""

    @property
    def snapshot(self) -> Snapshot:
        """Desired state, as far as this process has received it."""

    @property
    def statuses(self) -> dict[str, ClusterStatus]:
        """The last status of each cluster, by cluster id."""

    @property
    def inventories(self) -> Mapping[str, Inventory]:
        """The inventories of the clusters, by cluster id; targets that can't observe have none."""

    @property
    def status_number(self) -> int:
        """How many writes of statuses there have been, up to what `statuses` holds; it only grows."""

    @property
    def resyncs(self) -> Mapping[str, int]:
        """How often this process has received a request for a resync, by cluster id."""

    def arrivals(self, after: int, upto: int) -> Sequence[Arrival]:
        """The changes of these revisions, oldest first, as far as they are remembered: for telemetry only."""

    def committed(self, outcome: Committed) -> None:
        """Applies a commit of this process, so that the snapshot need not wait for the stream."""

    async def wait_revision(self, revision: int, timeout: float) -> bool:
        """Waits until the snapshot is at `revision` or later; False at the timeout (seconds)."""

    def watch(self) -> AbstractContextManager[AsyncIterator[None]]:
        """An iterator that yields after every change of snapshot or statuses, coalesced; no wake-up is lost."""
