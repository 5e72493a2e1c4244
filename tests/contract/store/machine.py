"""A state machine over a store: any calls in any order have the outcomes of the model."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from egress_server.domain.desired.snapshot import buckets_of
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.errors import Aborted
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.store import Commit, Committed, Replica, RequestKey, Stale
from tests.contract.benches import StoreBench
from tests.contract.store.conftest import MEMORY, STORES
from tests.contract.store.model import StoreModel, Version
from tests.support.mutations import entry, mutation
from tests.support.waiting import until

T = TypeVar("T")
OpenBench = Callable[[], AbstractAsyncContextManager[StoreBench]]

_ALWAYS = settings(stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
EXAMPLES = {which: settings(_ALWAYS, max_examples=150 if which == MEMORY else 20) for which in STORES}
"""How long each store is tested."""

AT = datetime(2026, 1, 1, tzinfo=UTC)
# Few of each, so that calls collide.
NAMES = st.sampled_from(["a", "b"])
CLUSTERS = st.sampled_from(["east", "east", "west"])
OWNERS = st.sampled_from(["one", "two"])
BUCKETS = st.sampled_from(
    [frozenset[str](), frozenset(["host/h"]), frozenset(["tcp/443"]), frozenset(["host/h", "tcp/443"])]
)
REQUEST_IDS = st.sampled_from(["", "", "r1", "r2"])
"""A fresh, empty one."""


class StoreMachine(RuleBasedStateMachine):
    """One mesh, with the replica of a process that commits and one of a process that does not."""

    open_bench: OpenBench

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self.bench = self._run(self._stack.enter_async_context(type(self).open_bench()))
        self.other = self._run(self.bench.another_replica())
        self.model = StoreModel(self.bench.snapshot.epoch)
        self.outcomes: list[Committed] = []
        self.digests: list[str] = []
        self._numbers = iter(range(1, 1_000_000))

    def teardown(self) -> None:
        """Closes everything that was opened."""
        try:
            self._run(self._stack.aclose())
        finally:
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    @rule(
        name=NAMES,
        host=st.sampled_from(["", "x.com", "y.com"]),
        deletes=st.booleans(),
        behind=st.sampled_from([0, 0, 1, 2, 50]),
        read=BUCKETS,
        touch=BUCKETS,
        reads_key=st.booleans(),
        request_id=REQUEST_IDS,
        fingerprint=st.sampled_from(["f", "f", "f", "g"]),
        other_epoch=st.sampled_from([False] * 9 + [True]),
        tell=st.booleans(),
    )
    def commit(
        self,
        name: str,
        host: str,
        deletes: bool,
        behind: int,
        read: frozenset[str],
        touch: frozenset[str],
        reads_key: bool,
        request_id: str,
        fingerprint: str,
        other_epoch: bool,
        tell: bool,
    ) -> None:
        """A commit based on a snapshot up to `behind` revisions old, perhaps with a request ID used before."""
        resource = entry(self.bench.snapshot, name, *filter(None, [host]))
        decided = mutation(self.bench.snapshot, resource, deletes=deletes, request_id=request_id or self._fresh())
        own = frozenset([f"key/{resource.name}"]) if reads_key else frozenset()
        commit = replace(
            decided,
            epoch="another" if other_epoch else self.model.epoch,
            revision=max(0, self.model.head - behind),
            read=read | own,
            touch=touch | buckets_of(resource),
            request=replace(decided.request, fingerprint=fingerprint),
            traceparent=f"trace-{self.model.head}",
        )
        outcome = self._run(self._outcome(commit))
        assert self._named(outcome) == self.model.commit(commit)
        if isinstance(outcome, Committed) and not outcome.replayed:
            self._check_committed(outcome, commit)
            if tell:
                self.bench.replica.committed(outcome)

    @rule(name=NAMES, times=st.integers(2, 4))
    def commit_often(self, name: str, times: int) -> None:
        """One resource changes several times, so that its oldest versions are dropped."""
        for turn in range(times):
            resource = entry(self.bench.snapshot, name, f"{turn}.com")
            decided = mutation(self.bench.snapshot, resource, request_id=self._fresh())
            commit = replace(decided, revision=self.model.head)
            outcome = self._run(self._outcome(commit))
            assert self._named(outcome) == self.model.commit(commit)
            assert isinstance(outcome, Committed)
            self._check_committed(outcome, commit)

    @rule(request_id=st.sampled_from(["r1", "r2"]), fingerprint=st.sampled_from(["f", "g"]))
    def find_replay(self, request_id: str, fingerprint: str) -> None:
        """A request is looked up before anything is refused."""
        request = RequestKey("local:tester", "UpsertServiceEntry", request_id, fingerprint)
        expected = self.model.replay(request)
        assert self._named(self._run(self._found(request))) == expected
        for other in (replace(request, principal="local:other"), replace(request, method="Other")):
            assert self._run(self._found(other)) is None

    @rule(seconds=st.sampled_from([1.0, 40.0, 3_700.0]))
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._run(self.bench.advance(seconds))
        self.model.seconds += seconds

    @rule(cluster=CLUSTERS, owner=OWNERS, ttl=st.sampled_from([0.0, 30.0, 600.0]))
    def lease(self, cluster: str, owner: str, ttl: float) -> None:
        """An applier takes or renews a lease; with a time to live of zero it releases it, whether or not it holds
        it."""
        store, mesh = self.bench.store, self.bench.mesh
        if ttl:
            lease = self._run(store.acquire(mesh, cluster, owner, ttl))
            assert (lease and lease.fence) == self.model.acquire(cluster, owner, ttl)
        else:
            self._run(store.release(mesh, cluster, owner))
            self.model.release(cluster, owner)

    @rule(records=st.dictionaries(CLUSTERS, st.integers(-1, 1), max_size=2))
    def put_status(self, records: dict[str, int]) -> None:
        """An applier writes records, with fences at, below or above the newest."""
        statuses = [
            ClusterStatus(cluster, Phase.SETTLED, next(self._numbers), fence=max(0, self.model.fences[cluster] + off))
            for cluster, off in records.items()
        ]
        refused = self._run(self.bench.store.put_status(self.bench.mesh, statuses))
        assert list(refused) == self.model.put_status(statuses)

    @rule(cluster=CLUSTERS, drops=st.booleans())
    def inventory(self, cluster: str, drops: bool) -> None:
        """An applier writes an inventory, or drops one that may not exist."""
        store, mesh = self.bench.store, self.bench.mesh
        if drops:
            self._run(store.drop_inventory(mesh, cluster))
            self.model.inventories.pop(cluster, None)
        else:
            inventory = Inventory(cluster, AT, namespaces=(self._fresh(),))
            self._run(store.put_inventory(mesh, inventory))
            self.model.inventories[cluster] = inventory
        self.model.status_writes += 1

    @rule(cluster=CLUSTERS)
    def ask_resync(self, cluster: str) -> None:
        """A resync is requested."""
        self._run(self.bench.store.ask_resync(self.bench.mesh, cluster))
        self.model.resyncs[cluster] += 1
        self.model.status_writes += 1

    @precondition(lambda self: self.model.versions)
    @rule(back=st.integers(0, 6))
    def read_change(self, back: int) -> None:
        """A change is read with its version, or with the newest one if that is past the limit; and one that does not
        exist yet."""
        version = self.model.versions[max(0, self.model.head - 1 - back)]
        outcome, name = self.outcomes[version.revision - 1], version.commit.resource.name
        kept = self.model.kept(name)
        shown = version if version in kept else kept[-1]
        store, mesh = self.bench.store, self.bench.mesh
        found = self._run(store.change(mesh, version.revision))
        assert found == Committed(outcome.change, self._versioned(shown))
        expected = self._versioned(version) if version in kept else None
        assert self._run(store.version_at(mesh, name, version.revision)) == expected
        assert self._run(store.newest(mesh, name)) == self._versioned(kept[-1])
        assert self._run(store.digest(mesh, version.revision)) == self.digests[version.revision - 1]
        ahead = self.model.head + 1
        for nothing in (store.change(mesh, ahead), store.digest(mesh, ahead), store.version_at(mesh, name, ahead)):
            assert self._run(nothing) is None

    @rule(
        before=st.none() | st.integers(1, 8),
        after=st.none() | st.integers(0, 8),
        count=st.integers(1, 4),
        newest_first=st.booleans(),
    )
    def read_changes(self, before: int | None, after: int | None, count: int, newest_first: bool) -> None:
        """A page of changes lies between two revisions."""
        changes = self._run(
            self.bench.store.changes(
                self.bench.mesh, before=before, after=after, count=count, newest_first=newest_first
            )
        )
        between = [o.change for o in self.outcomes if (after or 0) < o.change.revision < (before or 1_000)]
        assert list(changes) == (between[::-1] if newest_first else between)[:count]

    @rule()
    def replicas_catch_up(self) -> None:
        """Both replicas reach the state of the model, with the arrival of every change."""
        for replica in (self.bench.replica, self.other):
            self._run(self._caught_up(replica))
            assert Counter(dict(replica.resyncs)) == self.model.resyncs
            assert [a.revision for a in replica.arrivals(0, self.model.head)] == list(range(1, self.model.head + 1))
            for arrival, outcome in zip(replica.arrivals(0, self.model.head), self.outcomes, strict=True):
                assert arrival.traceparent == outcome.traceparent
                of_resource = self.model.of(outcome.change.record.resource)
                later = [v.revision for v in of_resource if v.revision >= arrival.revision]
                assert arrival.accept_time in {self.outcomes[n - 1].change.accept_time for n in later}

    @rule()
    def another_process_starts(self) -> None:
        """A replica that starts now has everything except hints."""
        late = self._run(self.bench.another_replica())
        self._check_content(late)
        assert not dict(late.resyncs)
        assert not late.arrivals(0, self.model.head)

    async def _outcome(self, commit: Commit) -> Committed | Stale | Aborted:
        try:
            return await self.bench.store.commit(commit)
        except (Stale, Aborted) as refused:
            return refused

    async def _found(self, request: RequestKey) -> Committed | Aborted | None:
        try:
            return await self.bench.store.find_replay(self.bench.mesh, request)
        except Aborted as refused:
            return refused

    def _named(self, outcome: Committed | Stale | Aborted | None) -> tuple[object, ...] | None:
        """The name of the resource in the model."""
        match outcome:
            case Committed(replayed=True):
                assert outcome.change == self.outcomes[outcome.change.revision - 1].change
                return "replay", outcome.change.revision
            case Committed():
                return "committed", outcome.change.revision
            case Stale():
                return "stale", outcome.revision
            case Aborted():
                assert outcome.reason == "REQUEST_ID_REUSED"
                return ("reused",)
        return None

    def _check_committed(self, outcome: Committed, commit: Commit) -> None:
        version = self.model.versions[-1]
        self.outcomes.append(outcome)
        digest = self._run(self.bench.store.digest(self.bench.mesh, version.revision))
        assert digest
        self.digests.append(digest)
        alike = [self._covered(earlier) == self._covered(version) for earlier in self.model.versions]
        assert [earlier == digest for earlier in self.digests] == alike
        assert (outcome.change.mesh, outcome.change.record) == (self.bench.mesh, commit.record)
        assert outcome.change.previous_revision == version.previous
        assert outcome.traceparent == commit.traceparent
        assert outcome.versioned == self._versioned(version)

    @staticmethod
    def _covered(version: Version) -> object:
        """The part of a change that its digest covers."""
        return version.commit.record, version.commit.resource

    def _versioned(self, version: Version) -> Versioned[Resource]:
        """A version as the store must return it."""
        created, updated = (self.outcomes[n - 1].change.accept_time for n in (version.created, version.revision))
        return Versioned(version.commit.resource, version.revision, created, updated, version.commit.deletes)

    async def _caught_up(self, replica: Replica) -> None:
        assert await replica.wait_revision(self.model.head, self.bench.patience)
        await until(lambda: replica.status_number >= self.model.status_writes, seconds=self.bench.patience)
        self._check_content(replica)

    def _check_content(self, replica: Replica) -> None:
        snapshot = replica.snapshot
        assert (snapshot.epoch, snapshot.revision) == (self.model.epoch, self.model.head)
        expected = {name: self._versioned(version) for name, version in self.model.present.items()}
        assert dict(snapshot.of_kind(ResourceKind.SERVICE_ENTRY)) == expected
        assert replica.statuses == self.model.statuses
        assert dict(replica.inventories) == self.model.inventories
        assert replica.status_number == self.model.status_writes

    def _fresh(self) -> str:
        return f"fresh-{next(self._numbers)}"


def machine_over(open_bench: OpenBench) -> type[StoreMachine]:
    """The machine over a store."""
    return type("StoreMachine", (StoreMachine,), {"open_bench": staticmethod(open_bench)})
