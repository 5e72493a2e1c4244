"""The history of a mesh, and the rollout of each change to the clusters."""

from dataclasses import dataclass
from enum import Enum

from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.changes import Change
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.limits import MAX_PAGE_SIZE
from egress_server.domain.model.names import change_name
from egress_server.domain.model.paging import ListQuery, make_token, matches, page_of, revision_after
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.rollout import Rollout, affected_clusters, change_rollout, has_reached
from egress_server.ports.store import Committed, Replica


@dataclass(frozen=True, slots=True)
class ChangeRef:
    """One change of a mesh."""

    mesh: str
    revision: int


@dataclass(frozen=True, slots=True)
class ListChanges:
    """The changes of a mesh, ordered by revision."""

    mesh: str
    listing: ListQuery


@dataclass(frozen=True, slots=True)
class ListRollouts:
    """The rollouts of a change, ordered by cluster."""

    change: ChangeRef
    listing: ListQuery

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.change.mesh


@dataclass(frozen=True, slots=True)
class WaitChange:
    """Wait at most `timeout` seconds until a change is applied, or if `verified` is set, verified everywhere."""

    change: ChangeRef
    verified: bool
    timeout: float

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.change.mesh


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of changes."""

    changes: tuple[Change, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class RolloutPage:
    """One page of rollouts."""

    rollouts: tuple[Rollout, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ChangeState:
    """A change with its rollouts."""

    change: Change
    rollouts: tuple[Rollout, ...]


class WaitResult(Enum):
    """How a wait ended; the API defines the meanings."""

    REACHED = "REACHED"
    TIMED_OUT = "TIMED_OUT"
    NO_CLUSTERS = "NO_CLUSTERS"


@dataclass(frozen=True, slots=True)
class Waited:
    """The state of a change when the wait ended. `behind` are the rollouts that had not reached the requested state."""

    state: ChangeState
    result: WaitResult
    behind: tuple[Rollout, ...]


@dataclass(frozen=True, slots=True)
class _Subject:
    """A change with its resource before and after."""

    committed: Committed
    before: Resource | None

    def rollouts(self, replica: Replica) -> tuple[Rollout, ...]:
        """The current rollouts."""
        change, after = self.committed.change, self.committed.versioned
        snapshot, statuses = replica.snapshot, replica.statuses
        last = _last_revision(snapshot, change, deleted=after.deleted)
        return tuple(
            change_rollout(
                cluster,
                statuses.get(cluster.id),
                revision=change.revision,
                resource=change.record.resource,
                last_revision=last,
            )
            for cluster in affected_clusters(snapshot.clusters(), self.before, after.resource)
        )


async def get_change(services: Services, caller: Caller, query: ChangeRef) -> ChangeState:
    """The change with its rollouts. Raises NotFound CHANGE_NOT_FOUND."""
    subject = await _subject(services, query)
    return ChangeState(subject.committed.change, subject.rollouts(services.replica(query.mesh)))


async def list_changes(services: Services, caller: Caller, query: ListChanges) -> ChangePage:
    """One page. A filter is applied while reading, so the cost is that of the changes read, not of those returned."""
    services.replica(query.mesh)
    listing = query.listing
    newest_first = listing.descending
    cursor = revision_after(listing)
    count = MAX_PAGE_SIZE if listing.conditions else listing.page_size + 1
    chosen: list[Change] = []
    while True:
        batch = await services.store.changes(
            query.mesh,
            before=cursor if newest_first else None,
            after=None if newest_first else cursor,
            count=count,
            newest_first=newest_first,
        )
        for change in batch:
            if not matches(change.record, listing.conditions):
                continue
            if len(chosen) == listing.page_size:
                return ChangePage(tuple(chosen), make_token(str(chosen[-1].revision), listing))
            chosen.append(change)
        if len(batch) < count:
            return ChangePage(tuple(chosen), "")
        cursor = batch[-1].revision


async def list_rollouts(services: Services, caller: Caller, query: ListRollouts) -> RolloutPage:
    """One page of rollouts. Raises NotFound CHANGE_NOT_FOUND."""
    state = await get_change(services, caller, query.change)
    by_cluster = {r.cluster.name: r for r in state.rollouts}
    page = page_of(sorted(by_cluster), query.listing, lambda key: {"cluster": key, "state": by_cluster[key].state})
    return RolloutPage(tuple(by_cluster[key] for key in page.keys), page.next_page_token)


async def wait_change(services: Services, caller: Caller, query: WaitChange) -> Waited:
    """Waits, unless no cluster matches the change. When the timeout expires or the process stops, returns the state
    reached. Raises NotFound CHANGE_NOT_FOUND."""
    replica = services.replica(query.change.mesh)
    subject = await _subject(services, query.change)
    with replica.watch() as wakeups:
        waited = _waited(subject, replica, query)
        try:
            async with services.patience(query.timeout):
                while waited.result is WaitResult.TIMED_OUT:
                    await anext(wakeups)
                    waited = _waited(subject, replica, query)
        except TimeoutError:
            waited = _waited(subject, replica, query)
    return waited


def _waited(subject: _Subject, replica: Replica, query: WaitChange) -> Waited:
    rollouts = subject.rollouts(replica)
    behind = tuple(r for r in rollouts if not has_reached(r.state, verified=query.verified))
    result = WaitResult.TIMED_OUT if behind else WaitResult.REACHED if rollouts else WaitResult.NO_CLUSTERS
    return Waited(ChangeState(subject.committed.change, rollouts), result, behind)


async def _subject(services: Services, query: ChangeRef) -> _Subject:
    services.replica(query.mesh)
    committed = await services.store.change(query.mesh, query.revision)
    if committed is None:
        name = change_name(query.mesh, query.revision)
        raise NotFound(
            f"{name} does not exist or is no longer retained", reason="CHANGE_NOT_FOUND", metadata={"change": name}
        )
    change = committed.change
    before = None
    if change.previous_revision:
        before = await services.store.version_at(query.mesh, change.record.resource, change.previous_revision)
    return _Subject(committed, before.resource if before and not before.deleted else None)


def _last_revision(snapshot: Snapshot, change: Change, *, deleted: bool) -> int:
    """Revision of the last change to the resource. The revision of a later deletion is not known here; the newest
    revision is used instead."""
    versioned = snapshot.get(change.record.resource)
    if versioned is not None:
        return versioned.revision
    return change.revision if deleted else snapshot.revision
