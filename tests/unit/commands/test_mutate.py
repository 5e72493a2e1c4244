"""Setting and deleting: what is checked, what is written, and the order of errors."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.commands.mutate import MAX_TRIES, mutate
from egress_server.domain.diff.plan import Action
from egress_server.domain.model.changes import ChangeType, make_etag
from egress_server.domain.model.errors import (
    Aborted,
    AlreadyExists,
    EgressError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.selectors import ClusterSelector, Scope
from tests.support.meshes import cluster, entry, policy, ports
from tests.unit.commands.fakes import CALLER, EPOCH, NOW, World, deleting, setting

BANK = entry("bank", hosts=("pay.example.com",), ports=ports("443:TLS"))
RIVAL = entry("rival", hosts=("pay.example.com",), ports=ports("443:HTTP"))


async def test_a_set_is_one_change() -> None:
    """The response has the new resource, and the change with who, what and why."""
    world = World.of()
    outcome = await mutate(world.services, CALLER, setting(BANK, request_id="r-1", reason="new partner"))
    change = outcome.change
    assert change is not None
    assert (change.revision, change.previous_revision, change.name) == (2, 0, "meshes/default/changes/2")
    record = change.record
    assert (record.type, record.resource, record.actor) == (ChangeType.SET, BANK.name, "user:alice")
    assert (record.request_id, record.reason, record.trace_id) == ("r-1", "new partner", CALLER.trace_id)
    assert (outcome.versioned.resource, outcome.versioned.revision, outcome.epoch) == (BANK, 2, EPOCH)
    assert outcome.plan is None


async def test_a_writer_finds_its_own_write() -> None:
    """When the response comes, the process's own replica has it."""
    world = World.of()
    await mutate(world.services, CALLER, setting(BANK))
    assert world.replica.snapshot.get(BANK.name) is not None


async def test_a_replacement_keeps_the_birth_and_names_its_predecessor() -> None:
    """Only revision and update time change."""
    world = World.of(BANK)
    outcome = await mutate(world.services, CALLER, setting(replace(BANK, ports=ports("443:HTTPS"))))
    assert outcome.change is not None
    assert outcome.change.previous_revision == 2
    assert outcome.versioned.create_time < outcome.versioned.update_time


async def test_a_delete_returns_what_was_there() -> None:
    """The last state of the resource, marked as deleted."""
    world = World.of(BANK)
    outcome = await mutate(world.services, CALLER, deleting(BANK))
    assert outcome.versioned.resource == BANK
    assert outcome.versioned.deleted
    assert world.replica.snapshot.get(BANK.name) is None


async def test_the_commit_names_what_was_read_and_what_changes() -> None:
    """Read: the resource and what its blocking rules read, such as faults on its old host. Touched: its state before
    and after."""
    world = World.of(BANK)
    after = replace(BANK, hosts=("new.example.com",))
    await mutate(world.services, CALLER, setting(after))
    (commit,) = world.store.commits
    assert commit.read == {f"key/{BANK.name}", "host/new.example.com", "host/pay.example.com"}
    assert commit.touch == {f"key/{BANK.name}", "host/new.example.com", "host/pay.example.com"}
    assert (commit.epoch, commit.revision) == (EPOCH, 2)


async def test_an_unknown_mesh_is_named() -> None:
    """The mesh does not exist."""
    other = replace(BANK, name="meshes/other/namespaces/a/serviceEntries/b")
    with pytest.raises(NotFound) as caught:
        await mutate(World.of().services, CALLER, setting(other))
    assert caught.value.reason == "MESH_NOT_FOUND"


async def test_deleting_nothing_is_not_found() -> None:
    """And the store is only asked whether this caller deleted it."""
    world = World.of()
    with pytest.raises(NotFound) as caught:
        await mutate(world.services, CALLER, deleting(BANK, request_id="r"))
    assert (caught.value.reason, caught.value.metadata) == ("RESOURCE_NOT_FOUND", {"resource": BANK.name})
    assert world.store.commits == []


@pytest.mark.parametrize("exists", [True, False])
async def test_must_not_exist(exists: bool) -> None:
    """Only a resource that does not exist is created."""
    world = World.of(*[BANK] * exists)
    call = mutate(world.services, CALLER, setting(BANK, create_only=True))
    if exists:
        with pytest.raises(AlreadyExists):
            await call
    else:
        assert (await call).change is not None


@pytest.mark.parametrize(
    ("etag", "taken"),
    [
        ("", True),
        (make_etag(EPOCH, 2), True),
        (make_etag(EPOCH, 1), False),
        (make_etag("other", 2), False),
        ("x", False),
    ],
)
async def test_an_etag_must_be_the_current_one(etag: str, taken: bool) -> None:
    """Another revision, or another epoch of the store, is another etag; the error has the current one."""
    call = mutate(World.of(BANK).services, CALLER, setting(BANK, etag=etag))
    if taken:
        assert (await call).change is not None
        return
    with pytest.raises(Aborted, match="was modified since it was read") as caught:
        await call
    assert caught.value.reason == "ETAG_MISMATCH"
    assert caught.value.metadata["current_etag"] == make_etag(EPOCH, 2)


async def test_an_etag_of_something_gone_is_told_so() -> None:
    """An etag means that the caller expects it to exist."""
    with pytest.raises(Aborted, match="does not exist") as caught:
        await mutate(World.of().services, CALLER, setting(BANK, etag=make_etag(EPOCH, 2)))
    assert caught.value.metadata["current_etag"] == ""


async def test_the_scope_of_a_policy_never_changes() -> None:
    """Another scope is another policy."""
    world = World.of(policy("ALLOW_ANY", scope=Scope("prod")))
    with pytest.raises(InvalidArgument) as caught:
        await mutate(world.services, CALLER, setting(policy("ALLOW_ANY", scope=Scope("shop"))))
    assert caught.value.violations[0].field == "outbound_policy.scope"
    assert (await mutate(world.services, CALLER, setting(policy("REGISTRY_ONLY", scope=Scope("prod"))))).change


async def test_a_blocking_finding_refuses() -> None:
    """The error carries the findings and the codes."""
    world = World.of(RIVAL)
    with pytest.raises(FailedPrecondition) as caught:
        await mutate(world.services, CALLER, setting(BANK))
    error = caught.value
    assert (error.reason, error.metadata) == ("BLOCKED_BY_FINDINGS", {"codes": "EGR0101"})
    assert [(f.code, f.severity, f.resource) for f in error.findings] == [("EGR0101", Severity.ERROR, RIVAL.name)]
    assert world.store.commits == []


async def test_a_forced_finding_is_kept_with_the_change() -> None:
    """Suppressing a finding is recorded."""
    outcome = await mutate(World.of(RIVAL).services, CALLER, setting(BANK, suppress_findings=("EGR0101",)))
    assert outcome.change is not None
    assert [f.code for f in outcome.change.record.findings] == ["EGR0101"]
    assert outcome.findings == outcome.change.record.findings


async def test_forcing_another_code_forces_nothing() -> None:
    """Codes are named one by one."""
    with pytest.raises(FailedPrecondition):
        await mutate(World.of(RIVAL).services, CALLER, setting(BANK, suppress_findings=("EGR0102",)))


# Replay before refusal


async def test_one_request_is_one_change() -> None:
    """The same ID, caller and body get the first response again."""
    world = World.of()
    first = await mutate(world.services, CALLER, setting(BANK, request_id="r"))
    again = await mutate(world.services, CALLER, setting(BANK, request_id="r"))
    assert again == first
    assert world.store.snapshot.revision == 2


@pytest.mark.parametrize(
    "options",
    [{"create_only": True}, {"etag": make_etag(EPOCH, 2)}, {"suppress_findings": ("EGR0101",)}],
    ids=["create_only", "etag", "forced"],
)
async def test_a_retry_after_a_lost_reply_is_no_refusal(options: dict[str, object]) -> None:
    """A caller that lost the response finds the state that it created, and gets its own change."""
    created = "create_only" in options
    world = World.of(*[] if created else [BANK])
    world.store.lost_replies = 1
    wanted = setting(replace(BANK, ports=ports("443:HTTPS")), request_id="r", **options)
    with pytest.raises(ConnectionError):
        await mutate(world.services, CALLER, wanted)
    world.replica.catch_up()
    outcome = await mutate(world.services, CALLER, wanted)
    assert outcome.change is not None
    assert outcome.change.revision == world.store.snapshot.revision == (2 if created else 3)


async def test_a_lost_delete_is_no_not_found() -> None:
    """Deleting again with the same ID returns the deletion."""
    world = World.of(BANK)
    first = await mutate(world.services, CALLER, deleting(BANK, request_id="r"))
    again = await mutate(world.services, CALLER, deleting(BANK, request_id="r"))
    assert again.change == first.change
    assert again.versioned.deleted


async def test_another_body_under_the_same_id_is_refused() -> None:
    """Also if the body would be refused anyway."""
    world = World.of()
    await mutate(world.services, CALLER, setting(BANK, request_id="r"))
    for options in ({}, {"create_only": True}):
        with pytest.raises(Aborted) as caught:
            await mutate(world.services, CALLER, setting(BANK, request_id="r", fingerprint="other", **options))
        assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_a_request_without_id_gets_one_for_the_store_alone() -> None:
    """The store needs one for its own retries; the change does not show it."""
    world = World.of()
    outcome = await mutate(world.services, CALLER, setting(BANK))
    assert world.store.commits[0].request.request_id == "made-1"
    assert outcome.change is not None
    assert outcome.change.record.request_id == ""


async def test_a_refusal_without_id_asks_the_store_nothing() -> None:
    """Without an ID of the client there is nothing to replay."""
    world = World.of(BANK)
    world.store.find_replay = None  # type: ignore[method-assign,assignment]
    with pytest.raises(AlreadyExists):
        await mutate(world.services, CALLER, setting(BANK, create_only=True))


# Concurrent writers


async def test_a_stale_commit_is_checked_again_on_the_new_state() -> None:
    """Two entries that each pass alone are never both accepted."""
    world = World.of()
    world.store.rivals = [lambda: world.store.put(RIVAL)]
    with pytest.raises(FailedPrecondition):
        await mutate(world.services, CALLER, setting(BANK))
    assert len(world.store.commits) == 1


async def test_a_stale_commit_that_still_passes_goes_through() -> None:
    """Another write of the same host that does not conflict only costs a retry."""
    world = World.of()
    world.store.rivals = [lambda: world.store.put(entry("other", hosts=BANK.hosts, ports=BANK.ports))]
    outcome = await mutate(world.services, CALLER, setting(BANK))
    assert outcome.change is not None
    assert outcome.change.revision == 3
    assert [commit.revision for commit in world.store.commits] == [1, 2]


async def test_what_was_not_read_may_change_meanwhile() -> None:
    """An unrelated write does not cause a retry."""
    world = World.of()
    world.store.rivals = [lambda: world.store.put(entry("elsewhere"))]
    await mutate(world.services, CALLER, setting(BANK))
    assert len(world.store.commits) == 1


async def test_an_etag_is_held_against_the_rivals_write() -> None:
    """A caller that was overtaken gets an error, and overwrites nothing."""
    world = World.of(BANK)
    theirs = replace(BANK, ports=ports("443:HTTPS"))
    world.store.rivals = [lambda: world.store.put(theirs)]
    with pytest.raises(Aborted) as caught:
        await mutate(world.services, CALLER, setting(BANK, etag=make_etag(EPOCH, 2)))
    assert caught.value.reason == "ETAG_MISMATCH"
    kept = world.store.snapshot.get(BANK.name)
    assert kept is not None
    assert kept.resource == theirs


async def test_after_five_tries_it_is_given_up() -> None:
    """ABORTED with a retry delay."""
    world = World.of(BANK)
    world.store.rivals = [lambda: world.store.put(BANK)] * 10
    with pytest.raises(Aborted) as caught:
        await mutate(world.services, CALLER, setting(BANK))
    error = caught.value
    assert (error.reason, error.metadata) == ("CONFLICT", {"resource": BANK.name})
    assert error.retry_after
    assert len(world.store.commits) == MAX_TRIES == 5


async def test_a_copy_that_does_not_catch_up_ends_as_well() -> None:
    """A call does not hang on a snapshot that does not advance."""
    world = World.of()
    world.store.put(BANK)
    world.replica.blind = True
    with pytest.raises(Aborted) as caught:
        await mutate(world.services, CALLER, setting(BANK))
    assert caught.value.reason == "CONFLICT"


async def test_writers_of_one_resource_take_turns() -> None:
    """Twenty concurrent ones need one attempt each."""
    world = World.of()
    await asyncio.gather(*(mutate(world.services, CALLER, setting(BANK)) for _ in range(20)))
    assert world.store.snapshot.revision == 21
    assert len(world.store.commits) == 20


# validate_only


@pytest.mark.parametrize(
    ("resource", "there", "action"),
    [(BANK, [], Action.CREATE), (replace(BANK, ports=ports("443:HTTPS")), [BANK], Action.UPDATE)],
    ids=["new", "changed"],
)
async def test_validate_only_plans_and_writes_nothing(resource: object, there: list[object], action: Action) -> None:
    """The plan lists what each cluster would get; no change is made."""
    world = World.of(cluster("east"), cluster("west"), *there)  # type: ignore[arg-type]
    outcome = await mutate(world.services, CALLER, setting(resource, validate_only=True))  # type: ignore[arg-type]
    assert outcome.change is None
    assert outcome.versioned.resource == resource
    assert outcome.versioned.update_time == NOW
    assert outcome.plan is not None
    (group,) = outcome.plan.groups
    assert group.clusters == ("east", "west")
    assert [(c.action, c.key.kind, c.key.name) for c in group.changes] == [(action, "ServiceEntry", "bank")]
    assert world.store.commits == []
    assert world.replica.snapshot.revision == world.store.snapshot.revision == 3 + len(there)


async def test_a_planned_delete_removes_where_the_resource_is() -> None:
    """Only the selected clusters are in the plan."""
    there = replace(BANK, cluster_selector=ClusterSelector(clusters=("west",)))
    world = World.of(cluster("east"), cluster("west"), there)
    outcome = await mutate(world.services, CALLER, deleting(BANK, validate_only=True))
    assert outcome.plan is not None
    assert [(g.clusters, [c.action for c in g.changes]) for g in outcome.plan.groups] == [(("west",), [Action.DELETE])]
    assert world.replica.snapshot.get(BANK.name) is not None


async def test_a_planned_move_touches_both_clusters() -> None:
    """Both on the cluster that loses it and on the one that gets it."""
    there = replace(BANK, cluster_selector=ClusterSelector(clusters=("west",)))
    moved = replace(BANK, cluster_selector=ClusterSelector(clusters=("east",)))
    world = World.of(cluster("east"), cluster("west"), there)
    outcome = await mutate(world.services, CALLER, setting(moved, validate_only=True))
    assert outcome.plan is not None
    assert {g.clusters[0]: g.changes[0].action for g in outcome.plan.groups} == {
        "east": Action.CREATE,
        "west": Action.DELETE,
    }


async def test_a_planned_registration_shows_what_the_cluster_would_get() -> None:
    """A new cluster gets everything that selects it; other labels may change that."""
    labelled = replace(BANK, cluster_selector=ClusterSelector(match_labels={"env": "prod"}))
    world = World.of(labelled, cluster("old", env="test"))
    for wanted, actions in (
        (cluster("new", env="prod"), [Action.CREATE]),
        (cluster("old", env="prod"), [Action.CREATE]),
        (cluster("other"), []),
    ):
        outcome = await mutate(world.services, CALLER, setting(wanted, validate_only=True))
        assert outcome.plan is not None
        assert [c.action for g in outcome.plan.groups for c in g.changes] == actions


async def test_validate_only_returns_findings_instead_of_refusing() -> None:
    """A dry run is never blocked: the blocking finding is in the response."""
    outcome = await mutate(World.of(RIVAL).services, CALLER, setting(BANK, validate_only=True))
    assert [f.code for f in outcome.findings] == ["EGR0101"]


@pytest.mark.parametrize(
    "mutation",
    [
        setting(BANK, validate_only=True, etag="x"),
        setting(BANK, validate_only=True, create_only=True),
        deleting(RIVAL, validate_only=True),
    ],
    ids=["etag", "create_only", "not there"],
)
async def test_validate_only_keeps_preconditions(mutation: object) -> None:
    """An invalid request is refused as usual."""
    with pytest.raises(EgressError):
        await mutate(World.of(BANK).services, CALLER, mutation)  # type: ignore[arg-type]


def test_etags_are_opaque_and_of_one_life_of_the_store() -> None:
    """No two revisions or epochs share one, and it is a valid header value."""
    etags = {make_etag(epoch, revision) for epoch in ("aaaaaaaa1", "bbbbbbbb1") for revision in range(1, 100)}
    assert len(etags) == 198
    assert all(etag.isascii() and '"' not in etag and len(etag) < 64 for etag in etags)
