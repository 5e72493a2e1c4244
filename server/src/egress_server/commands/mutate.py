"""Sets and deletes resources: check on a snapshot, commit, and start over if another writer was faster.

An error is returned only if no earlier call with the same request ID is found: a client that lost the reply retries,
and must not be refused because of the state that its own first call created.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from egress_server.commands.services import Caller, Services
from egress_server.domain.desired.snapshot import Snapshot, buckets_of
from egress_server.domain.diff.plan import Plan, make_plan
from egress_server.domain.lint.engine import lint, lint_delete
from egress_server.domain.model.changes import Change, ChangeRecord, ChangeType, Versioned, make_etag
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import Aborted, AlreadyExists, EgressError, FailedPrecondition, NotFound
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.rollout import affected_clusters
from egress_server.domain.validate.resources import check_immutable
from egress_server.ports.clock import Ids
from egress_server.ports.store import Commit, Committed, RequestKey, Stale

MAX_TRIES = 5
STALE_WAIT = 1.0  # seconds for the snapshot to catch up with the store before the command runs again
R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Options:
    """The options that all mutating requests share. `fingerprint` is a digest of everything that identifies a
    request."""

    request_id: str = ""
    etag: str = ""
    create_only: bool = False
    validate_only: bool = False
    reason: str = ""
    suppress_findings: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Mutation(Generic[R]):
    """A change to the resource called `name`, of the kind that the name says.

    If the resource exists and `amend` is set, its new state is `amend(state)`; `amend` raises InvalidArgument if the
    state does not allow the change. Otherwise it is `resource`. Without `resource` the resource must exist. If both are
    None, the resource is deleted.
    """

    name: str
    type: ChangeType
    resource: R | None
    options: Options
    amend: Callable[[R], R] | None = None

    @property
    def deletes(self) -> bool:
        """Whether the resource is deleted."""
        return self.resource is None and self.amend is None

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return parse_name(self.name).mesh


@dataclass(frozen=True, slots=True)
class MutationOutcome(Generic[R]):
    """The result of a mutation. With `validate_only` it has a plan and no change."""

    versioned: Versioned[R]
    epoch: str
    change: Change | None
    findings: tuple[Finding, ...]
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A mutation that passed all checks on a snapshot."""

    before: Versioned[Any] | None
    after: Resource
    findings: tuple[Finding, ...]
    reads: frozenset[str]


async def mutate(services: Services, caller: Caller, mutation: Mutation[R]) -> MutationOutcome[R]:
    """Sets or deletes a resource.

    Raises NotFound, AlreadyExists, InvalidArgument, Aborted ETAG_MISMATCH or CONFLICT, FailedPrecondition
    BLOCKED_BY_FINDINGS.
    """
    replica = services.replica(mutation.mesh)
    if mutation.options.validate_only:
        return _plan(services, replica.snapshot, mutation)
    key = _key(caller, mutation.options, services.ids)
    async with services.locks.hold(mutation.name):
        for _ in range(MAX_TRIES):
            snapshot = replica.snapshot
            try:
                checked = _check(snapshot, mutation)
            except EgressError:
                replay = await find_replay(services, caller, mutation.mesh, mutation.options)
                if replay is None:
                    raise
                return replay
            try:
                committed = await services.store.commit(_commit(snapshot, caller, mutation, key, checked))
            except Stale as stale:
                await replica.wait_revision(stale.revision, STALE_WAIT)
                continue
            replica.committed(committed)
            # The caller must see its own write in its next read, at least in this process.
            await replica.wait_revision(committed.change.revision, STALE_WAIT)
            return _outcome(snapshot.epoch, committed)
    raise Aborted(
        f"{mutation.name} is being modified concurrently; retry",
        reason="CONFLICT",
        metadata={"resource": mutation.name},
        retry_after=0.1,
    )


async def find_replay(services: Services, caller: Caller, mesh: str, options: Options) -> MutationOutcome[Any] | None:
    """The outcome of an earlier call with the same request. Raises Aborted REQUEST_ID_REUSED."""
    if not options.request_id or options.validate_only:
        return None
    replay = await services.store.find_replay(mesh, _key(caller, options, services.ids))
    return _outcome(services.replica(mesh).snapshot.epoch, replay) if replay else None


def etag_mismatch(name: str, *, given: str, current: str) -> Aborted:
    """The error for an etag that is not the current one; `current` is empty if the resource does not exist."""
    problem = f"{name} was modified since it was read" if current else f"{name} does not exist"
    return Aborted(
        f"etag does not match: {problem}",
        reason="ETAG_MISMATCH",
        metadata={"resource": name, "etag": given, "current_etag": current},
    )


def _key(caller: Caller, options: Options, ids: Ids) -> RequestKey:
    return RequestKey(
        principal=caller.principal.name,
        method=caller.method,
        request_id=options.request_id or ids(),
        fingerprint=options.fingerprint,
    )


def _check(snapshot: Snapshot, mutation: Mutation[Any]) -> _Checked:
    """All checks of a mutation on this snapshot."""
    before = snapshot.get(mutation.name)
    _check_preconditions(snapshot, mutation, before)
    own = f"key/{mutation.name}"
    if mutation.deletes:
        before = _existing(mutation, before)
        after, result = before.resource, lint_delete(snapshot, before.resource)
    else:
        after = _desired(mutation, before)
        if before is not None:
            check_immutable(before.resource, after)
        result = lint(snapshot, after)
    _refuse_errors(result.findings, mutation.options)
    return _Checked(before, after, result.findings, result.reads | {own})


def _desired(mutation: Mutation[R], before: Versioned[Any] | None) -> R:
    """The new state."""
    if mutation.amend is not None and (before is not None or mutation.resource is None):
        return mutation.amend(_existing(mutation, before).resource)
    assert mutation.resource is not None
    return mutation.resource


def _existing(mutation: Mutation[Any], before: Versioned[Any] | None) -> Versioned[Any]:
    if before is None:
        raise NotFound(
            f"{mutation.name} does not exist", reason="RESOURCE_NOT_FOUND", metadata={"resource": mutation.name}
        )
    return before


def _check_preconditions(snapshot: Snapshot, mutation: Mutation[Any], before: Versioned[Resource] | None) -> None:
    options = mutation.options
    if options.create_only and before is not None:
        raise AlreadyExists(f"{mutation.name} already exists", metadata={"resource": mutation.name})
    if not options.etag:
        return
    current = make_etag(snapshot.epoch, before.revision) if before else ""
    if options.etag != current:
        raise etag_mismatch(mutation.name, given=options.etag, current=current)


def _refuse_errors(findings: tuple[Finding, ...], options: Options) -> None:
    if options.validate_only:
        return
    suppressed = options.suppress_findings
    blocking = [f for f in findings if f.severity is Severity.ERROR and not (f.forceable and f.code in suppressed)]
    if blocking:
        raise FailedPrecondition(
            f"{blocking[0].code}: {blocking[0].cause}",
            reason="BLOCKED_BY_FINDINGS",
            metadata={"codes": ",".join(sorted({f.code for f in blocking}))},
            findings=findings,
        )


def _commit(snapshot: Snapshot, caller: Caller, mutation: Mutation[Any], key: RequestKey, checked: _Checked) -> Commit:
    touch = buckets_of(checked.after)
    if checked.before:
        touch |= buckets_of(checked.before.resource)
    return Commit(
        mesh=snapshot.mesh,
        epoch=snapshot.epoch,
        revision=snapshot.revision,
        read=checked.reads,
        touch=touch,
        resource=checked.after,
        deletes=mutation.deletes,
        record=ChangeRecord(
            type=mutation.type,
            resource=mutation.name,
            actor=caller.principal.name,
            request_id=mutation.options.request_id,
            reason=mutation.options.reason,
            trace_id=caller.trace_id,
            findings=checked.findings,
        ),
        request=key,
        traceparent=caller.traceparent,
    )


def _outcome(epoch: str, committed: Committed) -> MutationOutcome[Any]:
    return MutationOutcome(committed.versioned, epoch, committed.change, committed.change.record.findings)


def _plan(services: Services, snapshot: Snapshot, mutation: Mutation[Any]) -> MutationOutcome[Any]:
    """What the mutation would do. Writes nothing."""
    checked = _check(snapshot, mutation)
    deletes = mutation.deletes
    now = services.clock()
    like = checked.before or Versioned(checked.after, snapshot.revision, now, now)
    after = snapshot.copy_with(checked.after, deleted=deletes, like=like)
    known = {cluster.name: cluster for cluster in (*snapshot.clusters(), *after.clusters())}
    clusters = affected_clusters(known.values(), checked.before.resource if checked.before else None, checked.after)
    if deletes and isinstance(checked.after, Cluster):
        clusters = []  # a deregistered cluster keeps its configuration
    planned = Versioned(checked.after, like.revision if checked.before else 0, like.create_time, now, deletes)
    return MutationOutcome(planned, snapshot.epoch, None, checked.findings, make_plan(snapshot, after, clusters, now))
