"""The history of a mesh: paging, the rollout of a change to each cluster, and waiting for it."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.commands.changes.history import (
    ChangeRef,
    ListChanges,
    ListRollouts,
    WaitChange,
    WaitResult,
    get_change,
    list_changes,
    list_rollouts,
    wait_change,
)
from egress_server.domain.model.errors import EgressError, InvalidArgument, NotFound
from egress_server.domain.model.limits import MAX_PAGE_SIZE
from egress_server.domain.model.paging import ListQuery, make_token, parse_listing
from egress_server.domain.model.rollout import RolloutState
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from tests.support.meshes import cluster, entry
from tests.support.virtual_time import virtual_time
from tests.unit.commands.fakes import CALLER, World

BANK = entry("bank")
EAST, WEST = cluster("east"), cluster("west")


def listing(*fields: str, key: str = "revision", descends: bool = True, **asked: object) -> ListQuery:
    """A list request."""
    whole = {"page_size": 0, "page_token": "", "filter_text": "", "order_by": "", **asked}
    return parse_listing(fields=fields, key_field=key, descends=descends, **whole)  # type: ignore[arg-type]


def applied(cluster_id: str, revision: int, verified: int = 0) -> ClusterStatus:
    """A cluster that has applied this revision."""
    return ClusterStatus(cluster_id, Phase.SETTLED, applied_revision=revision, verified_revision=verified)


def bank_world() -> World:
    """Two clusters (revisions 2 and 3) and an entry for both (4)."""
    return World.of(EAST, WEST, BANK)


async def states(world: World, revision: int) -> dict[str, str]:
    """Rollout states of a change by cluster id."""
    state = await get_change(world.services, CALLER, ChangeRef("default", revision))
    return {r.cluster.id: r.state.value for r in state.rollouts}


# Rollouts


async def test_a_change_goes_from_pending_to_verified() -> None:
    """Each cluster by the last report of its applier."""
    world = bank_world()
    assert await states(world, 4) == {"east": "PENDING", "west": "PENDING"}
    world.replica.report(ClusterStatus("east", Phase.APPLYING, 3))
    world.replica.report(ClusterStatus("west", Phase.OFFLINE, 3))
    assert await states(world, 4) == {"east": "APPLYING", "west": "OFFLINE"}
    world.replica.report(applied("east", 4))
    world.replica.report(applied("west", 4, verified=4))
    assert await states(world, 4) == {"east": "APPLIED", "west": "VERIFIED"}


async def test_a_change_of_its_clusters_concerns_both_old_and_new_ones() -> None:
    """A cluster that a resource moves away from has work to do, too."""
    world = World.of(EAST, WEST, replace(BANK, cluster_selector=ClusterSelector(("east",))))
    world.put(replace(BANK, cluster_selector=ClusterSelector(("west",))))
    assert list(await states(world, 4)) == ["east"]
    assert list(await states(world, 5)) == ["east", "west"]


async def test_a_deletion_concerns_the_clusters_that_had_it() -> None:
    """The clusters selected by its last state."""
    world = World.of(EAST, WEST, replace(BANK, cluster_selector=ClusterSelector(("west",))))
    world.delete(replace(BANK, cluster_selector=ClusterSelector(("west",))))
    assert list(await states(world, 5)) == ["west"]


async def test_a_registration_concerns_the_cluster_itself() -> None:
    """And to no other."""
    assert list(await states(bank_world(), 2)) == ["east"]


@pytest.mark.parametrize("deleted", [False, True], ids=["replaced", "deleted"])
async def test_a_later_change_of_the_resource_supersedes(deleted: bool) -> None:
    """Once a cluster holds the later one; until then the earlier one is what it holds."""
    world = bank_world()
    world.replica.report(applied("east", 4))
    if deleted:
        world.delete(BANK)
    else:
        world.put(BANK)
    assert await states(world, 4) == {"east": "APPLIED", "west": "PENDING"}
    world.replica.report(applied("east", 5))
    assert await states(world, 4) == {"east": "SUPERSEDED", "west": "PENDING"}
    assert await states(world, 5) == {"east": "APPLIED", "west": "PENDING"}


async def test_an_unknown_change_is_not_found() -> None:
    """It never existed, or is past retention."""
    for call in (
        get_change(bank_world().services, CALLER, ChangeRef("default", 5)),
        wait_change(bank_world().services, CALLER, WaitChange(ChangeRef("default", 5), False, 1)),
    ):
        with pytest.raises(NotFound) as caught:
            await call
        assert caught.value.reason == "CHANGE_NOT_FOUND"
        assert caught.value.metadata == {"change": "meshes/default/changes/5"}


async def test_an_unknown_mesh_has_no_changes() -> None:
    """It is an error, not an empty history."""
    world = bank_world()
    ref = ChangeRef("other", 1)
    for call in (
        get_change(world.services, CALLER, ref),
        list_changes(world.services, CALLER, ListChanges("other", listing())),
        list_rollouts(world.services, CALLER, ListRollouts(ref, listing())),
        wait_change(world.services, CALLER, WaitChange(ref, False, 1)),
    ):
        with pytest.raises(EgressError) as caught:
            await call
        assert caught.value.reason == "MESH_NOT_FOUND"


# Lists


@pytest.mark.parametrize("order_by", ["revision", "revision desc", ""])
@pytest.mark.parametrize("size", [1, 3, 7, 50])
@pytest.mark.parametrize("of_bank", [False, True])
async def test_pages_of_changes_add_up(order_by: str, size: int, of_bank: bool) -> None:
    """In either order, with any filter, each change once."""
    world = World.of(EAST, BANK, entry("other"), BANK, entry("other"), BANK, BANK)
    filter_text = f'resource = "{BANK.name}"' if of_bank else ""
    found: list[int] = []
    token = ""
    while True:
        asked = listing("resource", page_size=size, page_token=token, filter_text=filter_text, order_by=order_by)
        page = await list_changes(world.services, CALLER, ListChanges("default", asked))
        found += [change.revision for change in page.changes]
        token = page.next_page_token
        if not token:
            break
        assert len(page.changes) == size
    wanted = [3, 5, 7, 8] if of_bank else [1, 2, 3, 4, 5, 6, 7, 8]
    assert found == (wanted if order_by == "revision" else wanted[::-1])


async def test_a_rare_match_is_found_in_a_long_history() -> None:
    """More changes than are read in one batch."""
    world = World.of(BANK)
    for _ in range(2 * MAX_PAGE_SIZE + 10):
        world.store.put(entry("other"))
    asked = listing("resource", filter_text=f'resource = "{BANK.name}"', page_size=1)
    page = await list_changes(world.services, CALLER, ListChanges("default", asked))
    assert [change.revision for change in page.changes] == [2]
    assert page.next_page_token == ""


@pytest.mark.parametrize("key", ["²", "x", "9" * 5000])
async def test_a_forged_token_is_a_bad_token(key: str) -> None:
    """Never an internal error."""
    asked = listing(page_token=make_token(key, listing()))
    with pytest.raises(InvalidArgument, match="page_token"):
        await list_changes(bank_world().services, CALLER, ListChanges("default", asked))


async def test_rollouts_are_paged_and_filtered_as_they_are_shown() -> None:
    """By state, and by the full name of the cluster."""
    world = World.of(*(cluster(f"c{i}") for i in range(5)), BANK)
    world.replica.report(ClusterStatus("c3", Phase.FAILED, 1, problem=Problem("REFUSED", "no")))

    async def rollouts(**asked: object) -> tuple[list[str], str]:
        query = listing("cluster", "state", key="cluster", descends=False, **asked)
        page = await list_rollouts(world.services, CALLER, ListRollouts(ChangeRef("default", 7), query))
        return [r.cluster.id for r in page.rollouts], page.next_page_token

    first, token = await rollouts(page_size=3)
    rest, end = await rollouts(page_size=3, page_token=token)
    assert (first, rest, end) == (["c0", "c1", "c2"], ["c3", "c4"], "")
    assert await rollouts(filter_text='state = "FAILED"') == (["c3"], "")
    assert await rollouts(filter_text='cluster = "meshes/default/clusters/c4"') == (["c4"], "")
    assert (await rollouts(order_by="cluster desc"))[0] == ["c4", "c3", "c2", "c1", "c0"]


# Waiting


def waiting(revision: int, *, verified: bool = False, timeout: float = 30) -> WaitChange:
    """Wait for a change."""
    return WaitChange(ChangeRef("default", revision), verified, timeout)


@virtual_time
async def test_a_wait_ends_when_the_last_cluster_holds_the_change() -> None:
    """And not before."""
    world = bank_world()
    task = asyncio.create_task(wait_change(world.services, CALLER, waiting(4)))
    await asyncio.sleep(1)
    world.replica.report(applied("east", 4))
    await asyncio.sleep(1)
    assert not task.done()
    world.replica.report(applied("west", 9))
    waited = await task
    assert waited.result is WaitResult.REACHED
    assert waited.behind == ()
    assert [r.state for r in waited.state.rollouts] == [RolloutState.APPLIED] * 2
    assert world.replica.watchers == 0


@virtual_time
async def test_waiting_for_verified_takes_longer() -> None:
    """APPLIED is not enough; DISAGREES never is."""
    world = bank_world()
    world.replica.report(applied("east", 4))
    world.replica.report(applied("west", 4, verified=4))
    task = asyncio.create_task(wait_change(world.services, CALLER, waiting(4, verified=True)))
    await asyncio.sleep(1)
    assert not task.done()
    world.replica.report(applied("east", 4, verified=4))
    assert (await task).result is WaitResult.REACHED


@virtual_time
async def test_at_the_timeout_it_says_how_far_it_has_come() -> None:
    """No error: the clusters that are behind, with their state."""
    world = bank_world()
    world.replica.report(applied("east", 4))
    begin = asyncio.get_running_loop().time()
    waited = await wait_change(world.services, CALLER, waiting(4, timeout=20))
    assert asyncio.get_running_loop().time() - begin == pytest.approx(20)
    assert waited.result is WaitResult.TIMED_OUT
    assert [(r.cluster.id, r.state.value) for r in waited.behind] == [("west", "PENDING")]
    assert world.replica.watchers == 0


@virtual_time
@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (None, "PENDING", "NO_APPLIER"),
        (ClusterStatus("west", Phase.OFFLINE, problem=Problem("UNREACHABLE", "no route")), "OFFLINE", "UNREACHABLE"),
        (ClusterStatus("west", Phase.HELD, problem=Problem("MASS_DELETION", "much")), "HELD", "MASS_DELETION"),
        (
            replace(applied("west", 4), phase=Phase.OFFLINE, problem=Problem("UNREACHABLE", "no route")),
            "APPLIED",
            "UNREACHABLE",
        ),
        (
            replace(applied("west", 4), obstacles={BANK.name: Problem("UNSUPPORTED", "no")}),
            "UNSUPPORTED",
            "UNSUPPORTED",
        ),
        (
            replace(applied("west", 4), unverified={BANK.name: Problem("ISTIOD_DEBOUNCING", "writes")}),
            "APPLIED",
            "ISTIOD_DEBOUNCING",
        ),
        (
            replace(applied("west", 4, 4), disagreements={BANK.name: Problem("PROBE_DISAGREES", "seen")}),
            "DISAGREES",
            "PROBE_DISAGREES",
        ),
    ],
)
async def test_it_says_what_holds_it_up(status: ClusterStatus | None, state: str, reason: str) -> None:
    """For each cluster that is behind, whatever the reason."""
    world = bank_world()
    world.replica.report(applied("east", 4, 4))
    if status:
        world.replica.report(status)
    (behind,) = (await wait_change(world.services, CALLER, waiting(4, verified=True))).behind
    assert behind.problem is not None
    assert (behind.cluster.id, behind.state.value, behind.problem.reason) == ("west", state, reason)


@virtual_time
async def test_a_stop_ends_the_wait() -> None:
    """With the state reached by then; and so do waits that start later."""
    world = bank_world()
    world.replica.report(applied("east", 4))
    task = asyncio.create_task(wait_change(world.services, CALLER, waiting(4, timeout=600)))
    await asyncio.sleep(1)
    begin = asyncio.get_running_loop().time()
    world.services.end_streams()
    for waited in (await task, await wait_change(world.services, CALLER, waiting(4, timeout=600))):
        assert waited.result is WaitResult.TIMED_OUT
        assert [r.cluster.id for r in waited.behind] == ["west"]
    assert asyncio.get_running_loop().time() == begin
    assert world.replica.watchers == 0


@virtual_time
async def test_a_stop_at_the_end_of_a_wait() -> None:
    """Whichever comes first."""
    world = bank_world()
    task = asyncio.create_task(wait_change(world.services, CALLER, waiting(4, timeout=5)))
    asyncio.get_running_loop().call_later(5, world.services.end_streams)
    assert (await task).result is WaitResult.TIMED_OUT


@pytest.mark.parametrize("timeout", [0, 30])
async def test_what_is_reached_is_told_at_once(timeout: float) -> None:
    """Also without any time."""
    world = bank_world()
    world.replica.report(applied("east", 4))
    world.replica.report(applied("west", 4))
    waited = await wait_change(world.services, CALLER, waiting(4, timeout=timeout))
    assert waited.result is WaitResult.REACHED


@virtual_time
@pytest.mark.parametrize("verified", [False, True])
async def test_a_change_that_matches_no_cluster_is_not_waited_for(verified: bool) -> None:
    """It is neither applied nor verified, whatever happens later, so the wait ends at once."""
    elsewhere = replace(BANK, cluster_selector=ClusterSelector(("west",)))
    for world in (World.of(BANK), World.of(cluster("east"), elsewhere)):
        begin = asyncio.get_running_loop().time()
        revision = world.replica.snapshot.revision
        waited = await wait_change(world.services, CALLER, waiting(revision, verified=verified, timeout=600))
        assert asyncio.get_running_loop().time() == begin
        assert (waited.result, waited.behind, waited.state.rollouts) == (WaitResult.NO_CLUSTERS, (), ())


@virtual_time
async def test_a_superseded_change_is_waited_for_no_longer() -> None:
    """A later change of the same resource has replaced it on every cluster."""
    world = bank_world()
    task = asyncio.create_task(wait_change(world.services, CALLER, waiting(4, verified=True)))
    await asyncio.sleep(1)
    world.put(BANK)
    for id_ in ("east", "west"):
        world.replica.report(applied(id_, 5))
    waited = await task
    assert waited.result is WaitResult.REACHED
    assert {r.state for r in waited.state.rollouts} == {RolloutState.SUPERSEDED}
