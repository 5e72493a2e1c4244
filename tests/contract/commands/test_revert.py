"""Reverting a change, whatever it was; and changes that can't be reverted."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.commands.mutate import Mutation, Options, mutate
from egress_server.domain.model.changes import ChangeType, make_etag
from egress_server.domain.model.clusters import Cluster, LocalTarget, Mesh
from egress_server.domain.model.errors import Aborted, EgressError, FailedPrecondition, InvalidArgument, NotFound
from egress_server.domain.model.resources import Abort, Delay, Fault, Protocol, Resource, ServiceEntry, ServicePort
from tests.contract.commands.conftest import CALLER, CommandBench


def cluster(commands: CommandBench, **labels: str) -> Cluster:
    """A cluster."""
    return Cluster(f"meshes/{commands.mesh}/clusters/east", LocalTarget(), labels)


def entry(commands: CommandBench, *hosts: str) -> ServiceEntry:
    """The bank's entry."""
    name = f"meshes/{commands.mesh}/namespaces/default/serviceEntries/bank"
    return ServiceEntry(name, hosts or ("bank.example.com",), (ServicePort(80, Protocol.HTTP, "http"),))


def fault(commands: CommandBench, ttl: float = 600.0) -> Fault:
    """A fault on the bank."""
    name = f"meshes/{commands.mesh}/namespaces/default/faults/down"
    return Fault(name, "bank.example.com", ttl, abort=Abort(503))


async def test_a_set_goes_back_to_what_was_before(commands: CommandBench) -> None:
    """The resource is restored by a change that names the reverted one and the reason."""
    await commands.set(commands.policy("ALLOW_ANY"))
    change = await commands.set(commands.policy("REGISTRY_ONLY"))
    outcome = await commands.revert(change, reason="too early")
    assert commands.now(change.record.resource) == commands.policy("ALLOW_ANY")
    assert outcome.change is not None
    assert outcome.change.previous_revision == change.revision
    record = outcome.change.record
    assert (record.type, record.reason) == (ChangeType.REVERT, f"revert of {change.name}: too early")


async def test_a_creation_goes_back_to_nothing(commands: CommandBench) -> None:
    """What a change created is deleted."""
    change = await commands.set(entry(commands))
    outcome = await commands.revert(change)
    assert outcome.versioned.deleted
    assert commands.now(change.record.resource) is None


async def test_a_deletion_goes_back_to_what_was_deleted(commands: CommandBench) -> None:
    """A deleted resource is restored, and that change can be reverted as well."""
    await commands.set(entry(commands))
    change = await commands.delete(entry(commands).name)
    back = await commands.revert(change)
    assert commands.now(entry(commands).name) == entry(commands)
    assert back.change is not None
    await commands.revert(back.change)
    assert commands.now(entry(commands).name) is None


async def test_a_creation_after_a_deletion(commands: CommandBench) -> None:
    """A resource that was recreated is deleted again."""
    await commands.set(entry(commands))
    await commands.delete(entry(commands).name)
    change = await commands.set(entry(commands, "other.example.com"))
    assert change.previous_revision
    await commands.revert(change)
    assert commands.now(entry(commands).name) is None


async def test_a_registration_and_its_end(commands: CommandBench) -> None:
    """Clusters are registered and deregistered by revert too, and are reconciled even if they were being cleaned up."""
    registered = await commands.set(cluster(commands), ChangeType.REGISTER)
    labelled = await commands.set(cluster(commands, env="prod"))
    await commands.revert(labelled)
    assert commands.now(cluster(commands).name) == cluster(commands)
    await commands.set(replace(cluster(commands), draining=True))
    gone = await commands.delete(cluster(commands).name, ChangeType.DEREGISTER)
    await commands.revert(gone)
    assert commands.now(cluster(commands).name) == cluster(commands)
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(registered)
    assert refused.value.reason == "NOT_LATEST_CHANGE"


async def test_the_mesh(commands: CommandBench) -> None:
    """A mesh gets its previous labels back, but its creation can't be reverted."""
    name = f"meshes/{commands.mesh}"
    change = await commands.set(Mesh(name, labels={"tier": "gold"}))
    await commands.revert(change)
    assert commands.now(name) == Mesh(name)
    other = await commands.revert(commands.bench.snapshot.revision)
    assert other.versioned.resource == Mesh(name, labels={"tier": "gold"})


async def test_a_mesh_is_not_deleted(commands: CommandBench) -> None:
    """The creation of a mesh can't be reverted."""
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(1)
    assert refused.value.reason == "NOT_REVERSIBLE"


async def test_a_cleared_fault_comes_back_for_the_rest_of_its_time(commands: CommandBench) -> None:
    """A restored fault ends when it would have ended."""
    await commands.set(entry(commands))
    await commands.set(fault(commands))
    change = await commands.delete(fault(commands).name)
    await asyncio.sleep(0.01)
    await commands.revert(change)
    back = commands.now(fault(commands).name)
    assert isinstance(back, Fault)
    assert back.ttl < 600
    assert replace(back, ttl=600.0) == fault(commands)


async def test_a_fault_that_is_over_stays_over(commands: CommandBench) -> None:
    """Restoring a fault that has expired is refused with a clear message."""
    await commands.set(entry(commands))
    await commands.set(fault(commands, ttl=0.01))
    await asyncio.sleep(0.02)
    change = await commands.delete(fault(commands).name, ChangeType.EXPIRE)
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(change)
    assert refused.value.reason == "FAULT_EXPIRED"
    assert "inject it again" in refused.value.message


async def test_a_fault_must_still_make_sense(commands: CommandBench) -> None:
    """A fault whose delay is longer than its remaining lifetime is refused by the same rule as any fault."""
    await commands.set(entry(commands))
    slow = replace(fault(commands), abort=None, delay=Delay(599.999))
    await commands.set(slow)
    change = await commands.delete(slow.name)
    await asyncio.sleep(0.01)
    with pytest.raises(InvalidArgument) as refused:
        await commands.revert(change)
    assert refused.value.violations[0].field == "fault.delay.fixed_delay"


async def test_only_the_last_change(commands: CommandBench) -> None:
    """A change that is not the latest is refused with the name of the latest; also for a deleted resource."""
    first = await commands.set(commands.policy("ALLOW_ANY"))
    second = await commands.set(commands.policy("REGISTRY_ONLY"))
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(first)
    assert (refused.value.reason, refused.value.metadata["last_change"]) == ("NOT_LATEST_CHANGE", second.name)
    gone = await commands.delete(first.record.resource)
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(second)
    assert refused.value.metadata["last_change"] == gone.name


async def test_unknown_and_forgotten(commands: CommandBench) -> None:
    """A change that does not exist is not found; one whose previous state is no longer retained is reported as such."""
    with pytest.raises(NotFound) as unknown:
        await commands.revert(99)
    assert unknown.value.reason == "CHANGE_NOT_FOUND"
    await commands.set(commands.policy("ALLOW_ANY"))
    change = await commands.set(commands.policy("REGISTRY_ONLY"))
    keys = commands.bench.keys
    await commands.bench.connection.call("XTRIM", keys.history(change.record.resource), "MAXLEN", 1)
    with pytest.raises(FailedPrecondition) as gone:
        await commands.revert(change)
    assert gone.value.reason == "HISTORY_EXPIRED"
    await commands.bench.connection.call("XTRIM", keys.audit, "MAXLEN", 1)
    with pytest.raises(FailedPrecondition) as gone:
        await commands.revert(2)
    assert gone.value.reason == "HISTORY_EXPIRED"


async def test_checks_of_a_mutation(commands: CommandBench) -> None:
    """A state that lint rejects now is refused although it was accepted before, and the etag must match the
    resource."""
    await commands.set(entry(commands))
    await commands.set(fault(commands))
    cleared = await commands.delete(fault(commands).name)
    await commands.delete(entry(commands).name)
    with pytest.raises(FailedPrecondition) as refused:
        await commands.revert(cleared)
    assert refused.value.reason == "BLOCKED_BY_FINDINGS"
    change = await commands.set(commands.policy("ALLOW_ANY"))
    with pytest.raises(Aborted) as mismatch:
        await commands.revert(change, etag="other")
    assert mismatch.value.reason == "ETAG_MISMATCH"
    await commands.revert(change, etag=make_etag(commands.bench.snapshot.epoch, change.revision))


async def test_validate_only(commands: CommandBench) -> None:
    """The plan shows what would change, and nothing changes."""
    await commands.set(cluster(commands), ChangeType.REGISTER)
    change = await commands.set(entry(commands))
    outcome = await commands.revert(change, validate_only=True)
    assert outcome.change is None
    assert outcome.plan is not None
    (group,) = outcome.plan.groups
    assert [each.action.value for each in group.changes] == ["DELETE"]
    assert commands.now(entry(commands).name) == entry(commands)


async def test_repeated(commands: CommandBench) -> None:
    """A retry gets the first response although the change is no longer the latest; another body is refused."""
    change = await commands.set(entry(commands))
    first = await commands.revert(change, request_id="r", fingerprint="f")
    again = await commands.revert(change, request_id="r", fingerprint="f")
    assert first.change == again.change
    with pytest.raises(EgressError) as refused:
        await commands.revert(change, request_id="r", fingerprint="g")
    assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_concurrent_reverts(commands: CommandBench) -> None:
    """Of two concurrent reverts of one change, one succeeds."""
    change = await commands.set(commands.policy("ALLOW_ANY"))
    done = await asyncio.gather(*(commands.revert(change) for _ in range(5)), return_exceptions=True)
    errors = [each for each in done if isinstance(each, EgressError)]
    assert len(errors) == 4
    assert {error.code.name for error in errors} <= {"ABORTED", "FAILED_PRECONDITION"}


async def test_a_mutation_is_reverted(commands: CommandBench) -> None:
    """A mutation made by a command can be reverted like any other."""
    resource: Resource = commands.policy("REGISTRY_ONLY")
    outcome = await mutate(commands.services, CALLER, Mutation(resource.name, ChangeType.SET, resource, Options()))
    assert outcome.change is not None
    await commands.revert(outcome.change)
    assert commands.now(resource.name) is None
