"""Proof that the state machine finds bugs: each bug that is planted in the double makes it fail. Without this, a state
machine that never reaches a case, or never checks it, would pass forever.
"""

# ruff: noqa: ARG002 # a bug does not use all arguments

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from egress_server.domain.model.changes import Change, ChangeRecord, Versioned
from egress_server.domain.model.errors import Aborted
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus
from egress_server.ports.store import Commit, Committed, Lease, RequestKey, Stale
from tests.contract.benches import MemoryBench
from tests.contract.store.conftest import MEMORY
from tests.contract.store.machine import EXAMPLES, machine_over
from tests.support.doubles.memory_store import MemoryStore


class LostFence(MemoryStore):
    """A record of an overtaken applier is written."""

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        self.write_statuses(mesh, statuses)
        return []


class RefusedWithoutSaying(MemoryStore):
    """A rejected record is not named."""

    async def put_status(self, mesh: str, statuses: Sequence[ClusterStatus]) -> Sequence[str]:
        await super().put_status(mesh, statuses)
        return []


class FenceNotRaised(MemoryStore):
    """The next holder of a lease has the fence of the previous one."""

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        lease = await super().acquire(mesh, cluster, owner, ttl)
        return lease and replace(lease, fence=1)


class SharedLease(MemoryStore):
    """Two owners hold one lease."""

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        return await super().acquire(mesh, cluster, "anyone", ttl)


class EternalLease(MemoryStore):
    """A lease never lapses."""

    async def acquire(self, mesh: str, cluster: str, owner: str, ttl: float) -> Lease | None:
        return await super().acquire(mesh, cluster, owner, ttl + 1e9)


class ReleasedByAnyone(MemoryStore):
    """A release takes the lease from any holder."""

    async def release(self, mesh: str, cluster: str, owner: str) -> None:
        await super().release(mesh, cluster, self.owner(cluster, mesh) or owner)


class MissedEtag(MemoryStore):
    """A resource that has changed since it was read is overwritten."""

    def check(self, commit: Commit) -> None:
        super().check(replace(commit, read=frozenset(b for b in commit.read if not b.startswith("key/"))))


class IgnoredBucket(MemoryStore):
    """One kind of bucket is not checked."""

    def check(self, commit: Commit) -> None:
        super().check(replace(commit, read=frozenset(b for b in commit.read if not b.startswith("host/"))))


class IgnoredEpoch(MemoryStore):
    """A snapshot of another store may commit."""

    def check(self, commit: Commit) -> None:
        super().check(replace(commit, epoch=self.snapshot_of(commit.mesh).epoch))


class OffByOne(MemoryStore):
    """A bucket that changed in the very next revision is overlooked."""

    def check(self, commit: Commit) -> None:
        super().check(replace(commit, revision=commit.revision + 1))


class UntouchedBucket(MemoryStore):
    """A commit does not report what it changed."""

    def write(self, commit: Commit) -> Committed:
        return super().write(replace(commit, touch=frozenset(b for b in commit.touch if not b.startswith("tcp/"))))


class ReplayNotFound(MemoryStore):
    """A repeated request makes another change."""

    def replay(self, mesh: str, request: RequestKey) -> Committed | None:
        return None


class RefusalBeforeReplay(MemoryStore):
    """A retry is refused because of the commit that it repeats."""

    async def commit(self, commit: Commit) -> Committed:
        self.check(commit)
        return await super().commit(commit)


class AnyBody(MemoryStore):
    """A request ID answers for another body."""

    def replay(self, mesh: str, request: RequestKey) -> Committed | None:
        for fingerprint in ("f", "g"):
            try:
                return super().replay(mesh, replace(request, fingerprint=fingerprint))
            except Aborted:
                pass
        return None


class RequestForAll(MemoryStore):
    """A request ID belongs to every principal."""

    def replay(self, mesh: str, request: RequestKey) -> Committed | None:
        return super().replay(mesh, replace(request, principal="local:tester"))


class RequestForEver(MemoryStore):
    """A request ID is never free again."""

    def write(self, commit: Commit) -> Committed:
        committed = super().write(commit)
        for done in self.mesh(commit.mesh).requests.values():
            done.until = 1e12
        return committed


class RequestOfRefused(MemoryStore):
    """A refused commit uses up its request ID."""

    def check(self, commit: Commit) -> None:
        try:
            super().check(commit)
        except Stale:
            self.write(commit)
            raise


class ForgottenPast(MemoryStore):
    """A resource that is recreated has no previous revision."""

    def write(self, commit: Commit) -> Committed:
        if self.snapshot_of(commit.mesh).get(commit.resource.name) is None:
            self.mesh(commit.mesh).history.pop(commit.resource.name, None)
        return super().write(commit)


class EternalHistory(MemoryStore):
    """A version past the limit is still there."""

    async def version_at(self, mesh: str, resource: str, revision: int) -> Versioned[Resource] | None:
        found = [entry.versioned for entry in self.mesh(mesh).log if entry.change.revision == revision]
        return next((v for v in found if v.resource.name == resource), None)


class NoChangePastTheCap(MemoryStore):
    """A change whose version is no longer kept is gone too."""

    async def change(self, mesh: str, revision: int) -> Committed | None:
        found = await super().change(mesh, revision)
        return found if found and found.versioned.revision == revision else None


class PageFromTheWrongEnd(MemoryStore):
    """A page in descending order has the oldest changes."""

    async def changes(
        self, mesh: str, *, before: int | None, after: int | None, count: int, newest_first: bool
    ) -> Sequence[Change]:
        page = await super().changes(mesh, before=before, after=after, count=count, newest_first=False)
        return page[::-1] if newest_first else page


class SameDigest(MemoryStore):
    """Changes of the same state have the same digest."""

    def digest_of(self, revision: int, record: ChangeRecord, resource: Resource) -> str:
        return resource.name


class WanderingTime(MemoryStore):
    """The time of a version differs from that of its change."""

    def accept_time(self, revision: int) -> datetime:
        return super().accept_time(revision).replace(year=2000 + revision)

    async def newest(self, mesh: str, resource: str) -> Versioned[Resource] | None:
        found = await super().newest(mesh, resource)
        return found and replace(found, update_time=self.accept_time(found.revision + 1))


class LostTrace(MemoryStore):
    """The replicas do not receive a change's trace."""

    def write(self, commit: Commit) -> Committed:
        return replace(super().write(replace(commit, traceparent="")), traceparent=commit.traceparent)


class StatusNotAnnounced(MemoryStore):
    """Replicas are not notified of records."""

    def write_statuses(self, mesh: str, statuses: Sequence[ClusterStatus]) -> None:
        self.mesh(mesh).statuses.update({status.cluster: status for status in statuses})


class InventoryStays(MemoryStore):
    """A dropped inventory stays."""

    async def drop_inventory(self, mesh: str, cluster: str) -> None:
        known = self.mesh(mesh).inventories.get(cluster)
        await super().drop_inventory(mesh, cluster)
        if known:
            self.mesh(mesh).inventories[cluster] = known


class ResyncForgotten(MemoryStore):
    """A resync reaches no replica."""

    async def ask_resync(self, mesh: str, cluster: str) -> None:
        self.mesh(mesh).status_number += 1


BUGS = [bug for bug in MemoryStore.__subclasses__() if bug.__module__ == __name__]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: type[MemoryStore]) -> None:
    """With the same seed every time, and more examples than the double itself gets: some bugs take luck to find."""
    machine = machine_over(lambda: nullcontext(MemoryBench(make=bug)))
    tries = settings(EXAMPLES[MEMORY], max_examples=1500, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=tries)
