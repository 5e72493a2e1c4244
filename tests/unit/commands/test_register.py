"""Registering clusters: credentials are sealed before anything is stored, and a repeated registration loses nothing."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.commands.clusters.registration import Register, register
from egress_server.commands.mutate import Mutation, Options, mutate
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    KubernetesTarget,
    LocalTarget,
    Orders,
    RestartOrder,
)
from egress_server.domain.model.errors import Aborted, InvalidArgument
from tests.support.kubeconfigs import CANARY
from tests.support.sealing import OpenSealer
from tests.unit.commands.fakes import CALLER, World

NAME = "meshes/default/clusters/c0"
PLAIN = f"token: {CANARY}"
SEALED = OpenSealer().seal(PLAIN)


def kubernetes(**target: Any) -> Cluster:
    """The cluster c0."""
    return Cluster(NAME, KubernetesTarget(**target))


def registering(cluster: Cluster, **options: Any) -> Register:
    """Registers `cluster`."""
    return Register(cluster, Options(**{"fingerprint": "f", **options}))


async def registered(world: World, cluster: Cluster, **options: Any) -> Cluster:
    """What is stored of a registration."""
    outcome = await register(world.services, CALLER, registering(cluster, **options))
    return outcome.versioned.resource


async def test_what_is_kept_is_sealed() -> None:
    """In the change, in the store and in the response of a dry run."""
    world = World.of()
    plan = await register(world.services, CALLER, registering(kubernetes(kubeconfig=PLAIN), validate_only=True))
    kept = await registered(world, kubernetes(kubeconfig=PLAIN, context="x"))
    assert kept == kubernetes(kubeconfig=SEALED, context="x")
    assert plan.versioned.resource == kubernetes(kubeconfig=SEALED)
    assert world.store.commits[-1].resource == kept
    assert world.replica.snapshot.cluster("c0") == kept


async def test_the_same_registration_is_one_change() -> None:
    """By its request ID; another body with it is refused."""
    world = World.of()
    mutation = registering(kubernetes(kubeconfig=PLAIN), request_id="r")
    first = await register(world.services, CALLER, mutation)
    assert (await register(world.services, CALLER, mutation)).change == first.change
    other = replace(mutation, options=replace(mutation.options, fingerprint="g"))
    with pytest.raises(Aborted):
        await register(world.services, CALLER, other)


async def test_a_registration_again_keeps_what_was_decided() -> None:
    """And only that: labels and target are replaced."""
    before = replace(
        kubernetes(kubeconfig=SEALED, context="x", istio_revision="old"),
        labels={"env": "test"},
        draining=True,
        orders=Orders(("Sidecar/default/default",), "a", "b", RestartOrder("1")),
    )
    world = World.of(before)
    kept = await registered(world, replace(kubernetes(istio_revision="new"), labels={"env": "prod"}))
    assert kept == replace(
        before,
        target=KubernetesTarget(kubeconfig=SEALED, context="x", istio_revision="new"),
        labels={"env": "prod"},
        draining=False,
    )


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ({"secret": "a/b", "context": "x"}, {}, {"secret": "a/b", "context": "x"}),
        ({"secret": "a/b", "context": "x"}, {"context": "y"}, {"secret": "a/b", "context": "y"}),
        ({"in_cluster": True}, {}, {"in_cluster": True}),
        ({"kubeconfig": SEALED, "context": "x"}, {"context": "x"}, {"kubeconfig": SEALED, "context": "x"}),
        ({"kubeconfig": SEALED, "context": "x"}, {"in_cluster": True}, {"in_cluster": True}),
        ({"kubeconfig": SEALED}, {"secret": "a/b"}, {"secret": "a/b"}),
        ({"secret": "a/b"}, {"kubeconfig": PLAIN, "context": "c"}, {"kubeconfig": SEALED, "context": "c"}),
        ({}, {}, {}),
    ],
)
async def test_credentials_stay_where_none_are_given(
    before: dict[str, Any], asked: dict[str, Any], after: dict[str, Any]
) -> None:
    """New credentials replace them."""
    world = World.of(kubernetes(**before))
    assert await registered(world, kubernetes(**asked)) == kubernetes(**after)


async def test_a_context_needs_its_kubeconfig() -> None:
    """The others of a kubeconfig were not stored."""
    world = World.of(kubernetes(kubeconfig=SEALED, context="x"))
    with pytest.raises(InvalidArgument) as caught:
        await registered(world, kubernetes(context="y"))
    assert [v.field for v in caught.value.violations] == ["cluster.kubernetes.context"]


async def test_what_can_not_change() -> None:
    """Another kind of target, another root namespace."""
    world = World.of(kubernetes(), Cluster("meshes/default/clusters/d", DirectoryTarget()))
    for asked, field in (
        (kubernetes(root_namespace="istio"), "cluster.kubernetes.root_namespace"),
        (Cluster(NAME, LocalTarget()), "cluster.target"),
        (replace(kubernetes(), name="meshes/default/clusters/d"), "cluster.target"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await registered(world, asked)
        assert [v.field for v in caught.value.violations] == [field]


async def test_a_rival_adoption_is_not_lost() -> None:
    """Decisions made directly before the commit are kept."""
    world = World.of(kubernetes())
    adopted = replace(kubernetes(), orders=Orders(adopted=("Sidecar/a/b",)))
    world.store.rivals.append(lambda: world.store.put(adopted))
    assert (await registered(world, kubernetes(secret="a/b"))).orders.adopted == ("Sidecar/a/b",)


async def test_amend_alone_needs_something_to_amend() -> None:
    """With a resource it is not."""
    world = World.of()
    mutation = Mutation(
        NAME, ChangeType.REGISTER, kubernetes(), Options(fingerprint="f"), lambda _: kubernetes(secret="a/b")
    )
    assert (await mutate(world.services, CALLER, mutation)).versioned.resource == kubernetes()
    assert (await mutate(world.services, CALLER, mutation)).versioned.resource == kubernetes(secret="a/b")
