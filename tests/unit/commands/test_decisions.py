"""Decisions of operators about a cluster: adoptions, approvals, restarts; each can be repeated, and reverted."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from egress_server.commands.changes.revert import RevertChange, revert_change
from egress_server.commands.clusters.approvals import (
    Approve,
    accept_store_reset,
    adopting,
    approve_deletion,
    releasing,
)
from egress_server.commands.clusters.clusters import RestartWorkloads, restart_workloads
from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, RestartOrder
from egress_server.domain.model.errors import Aborted, FailedPrecondition, NotFound, ResourceExhausted
from egress_server.domain.model.limits import MAX_ADOPTED
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND, ClusterStatus, Phase, Problem
from tests.support.meshes import cluster, with_orders
from tests.unit.commands.fakes import CALLER, World, deleting

SIDECAR = "Sidecar/prod/default"
EAST = Cluster("meshes/default/clusters/east", KubernetesTarget())
Say = Callable[[Services, Caller, Approve], Awaitable[MutationOutcome[Cluster]]]


def held(reason: str, token: str = "t1") -> ClusterStatus:
    """East is held."""
    return ClusterStatus("east", Phase.HELD, problem=Problem(reason, "too much", token=token))


def options(**fields: Any) -> Options:
    """Options of a request."""
    return Options(**{"fingerprint": "f", **fields})


def deciding(type_: ChangeType, amend: Callable[[Cluster], Cluster], **fields: Any) -> Mutation[Cluster]:
    """A decision about east."""
    return Mutation(EAST.name, type_, None, options(**fields), amend)


def now(world: World) -> Cluster:
    """The current state of east."""
    found = world.replica.snapshot.cluster("east")
    assert found is not None
    return found


async def test_an_object_is_adopted_and_released() -> None:
    """By name, each once; releasing an object that is not adopted is refused."""
    world = World.of(EAST)
    for object_ in (SIDECAR, "Sidecar/a/b", SIDECAR):
        outcome = await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(object_)))
    assert now(world).orders.adopted == ("Sidecar/a/b", SIDECAR)
    assert outcome.change is not None
    assert outcome.change.record.type is ChangeType.ADOPT
    release = deciding(ChangeType.RELEASE, releasing(SIDECAR), request_id="r")
    first = await mutate(world.services, CALLER, release)
    assert now(world).orders.adopted == ("Sidecar/a/b",)
    assert (await mutate(world.services, CALLER, release)).change == first.change
    with pytest.raises(FailedPrecondition) as caught:
        await mutate(world.services, CALLER, deciding(ChangeType.RELEASE, releasing(SIDECAR)))
    assert caught.value.reason == "NOT_ADOPTED"


async def test_adoptions_have_a_limit() -> None:
    """An adopted object can be adopted again nevertheless."""
    world = World.of(with_orders(EAST, adopted=tuple(f"Sidecar/a/{n}" for n in range(MAX_ADOPTED))))
    await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting("Sidecar/a/0")))
    with pytest.raises(ResourceExhausted) as caught:
        await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(SIDECAR)))
    assert caught.value.reason == "TOO_MANY_ADOPTED"


async def test_only_kubernetes_has_what_is_not_ours() -> None:
    """Other clusters have no unmanaged objects and workloads."""
    world = World.of(cluster("east"))
    order = RestartWorkloads(EAST.name, options(), ())
    with pytest.raises(FailedPrecondition) as caught:
        await restart_workloads(world.services, CALLER, order)
    assert caught.value.reason == "TARGET_UNSUPPORTED"
    with pytest.raises(FailedPrecondition) as caught:
        await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(SIDECAR)))
    assert caught.value.reason == "TARGET_UNSUPPORTED"


@pytest.mark.parametrize(
    ("say", "reason", "field", "type_"),
    [
        (approve_deletion, MASS_DELETION, "approved", ChangeType.APPROVE),
        (accept_store_reset, STORE_REWOUND, "accepted", ChangeType.ACCEPT),
    ],
)
@pytest.mark.parametrize("token", ["", "t1"])
async def test_what_is_held_is_said_yes_to(say: Say, reason: str, field: str, type_: ChangeType, token: str) -> None:
    """To exactly the pending change, by its token; repeated after it is no longer held, the response is the same."""
    world = World.of(cluster("east"))
    world.replica.report(held(reason))
    command = Approve(EAST.name, options(request_id="r"), token)
    outcome = await say(world.services, CALLER, command)
    assert getattr(now(world).orders, field) == "t1"
    assert outcome.change is not None
    assert outcome.change.record.type is type_
    world.replica.report(ClusterStatus("east", Phase.SETTLED))
    assert (await say(world.services, CALLER, command)).change == outcome.change


@pytest.mark.parametrize(("say", "other"), [(approve_deletion, STORE_REWOUND), (accept_store_reset, MASS_DELETION)])
async def test_nothing_is_pending(say: Say, other: str) -> None:
    """It is rejected, with the actual state of the cluster."""
    world = World.of(cluster("east"))
    for status, text in (
        (None, "no applier has reported"),
        (ClusterStatus("east", Phase.SETTLED), "it is SETTLED"),
        (held(other), r"it is HELD \(too much\)"),
        (replace(held(MASS_DELETION), phase=Phase.FAILED), r"it is FAILED \(too much\)"),
    ):
        if status:
            world.replica.report(status)
        with pytest.raises(FailedPrecondition, match=text) as caught:
            await say(world.services, CALLER, Approve(EAST.name, options(), ""))
        assert caught.value.reason == "NOTHING_HELD"
    assert world.store.commits == []


async def test_another_token_is_refused() -> None:
    """The pending change has been replaced since it was reviewed."""
    world = World.of(cluster("east"))
    world.replica.report(held(MASS_DELETION, "t2"))
    with pytest.raises(Aborted) as caught:
        await approve_deletion(world.services, CALLER, Approve(EAST.name, options(), "t1"))
    assert (caught.value.reason, caught.value.metadata["current_token"]) == ("TOKEN_MISMATCH", "t2")


async def test_a_dry_run_says_yes_to_nothing() -> None:
    """It only reports whether the call would succeed."""
    world = World.of(cluster("east"))
    world.replica.report(held(MASS_DELETION))
    outcome = await approve_deletion(world.services, CALLER, Approve(EAST.name, options(validate_only=True), ""))
    assert outcome.plan is not None
    assert world.store.commits == []


async def test_a_restart_has_an_id_of_its_own() -> None:
    """The same request is the same restart; another one replaces it."""
    world = World.of(EAST)
    order = RestartWorkloads(EAST.name, options(request_id="r"), ("Deployment/prod/web",))
    await restart_workloads(world.services, CALLER, order)
    first = now(world).orders.restart
    assert first is not None
    assert first.workloads == ("Deployment/prod/web",)
    again = await restart_workloads(world.services, CALLER, order)
    assert isinstance(again.versioned.resource, Cluster)
    assert again.versioned.resource.orders.restart == first
    await restart_workloads(world.services, CALLER, RestartWorkloads(EAST.name, options(), ()))
    second = now(world).orders.restart
    assert second is not None
    assert (second.workloads, second.id != first.id) == ((), True)


async def test_decisions_about_an_unregistered_cluster() -> None:
    """Are refused as not found."""
    world = World.of()
    with pytest.raises(NotFound):
        await restart_workloads(world.services, CALLER, RestartWorkloads(EAST.name, options(), ()))
    with pytest.raises(NotFound):
        await approve_deletion(world.services, CALLER, Approve(EAST.name, options(), ""))


async def rolled_back(world: World, outcome: MutationOutcome[Cluster]) -> Cluster:
    """East after a change was reverted."""
    assert outcome.change is not None
    command = RevertChange("default", outcome.change.revision, options())
    await revert_change(world.services, CALLER, command)
    return now(world)


async def test_decisions_are_taken_back() -> None:
    """An adoption, a release and an approval by revert of their change."""
    world = World.of(with_orders(EAST, approved="t0"))
    adopted = await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(SIDECAR)))
    assert (await rolled_back(world, adopted)).orders.adopted == ()
    world.replica.report(held(MASS_DELETION))
    approved = await approve_deletion(world.services, CALLER, Approve(EAST.name, options(), ""))
    assert (await rolled_back(world, approved)).orders.approved == "t0"
    await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(SIDECAR)))
    released = await mutate(world.services, CALLER, deciding(ChangeType.RELEASE, releasing(SIDECAR)))
    assert (await rolled_back(world, released)).orders.adopted == (SIDECAR,)


async def test_nothing_restarts_because_something_was_taken_back() -> None:
    """A reverted restart is cancelled, and no older one comes back by reverting a cluster or another change."""
    world = World.of(with_orders(EAST, restart=RestartOrder("old")))
    adopted = await mutate(world.services, CALLER, deciding(ChangeType.ADOPT, adopting(SIDECAR)))
    assert (await rolled_back(world, adopted)).orders.restart == RestartOrder("old")
    restart = await restart_workloads(world.services, CALLER, RestartWorkloads(EAST.name, options(), ()))
    assert (await rolled_back(world, restart)).orders.restart is None
    await restart_workloads(world.services, CALLER, RestartWorkloads(EAST.name, options(), ()))
    forgotten = await mutate(world.services, CALLER, replace(deleting(EAST), type=ChangeType.DEREGISTER))
    assert (await rolled_back(world, forgotten)).orders.restart is None
