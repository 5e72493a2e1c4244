"""Taking a change back, whatever it was; and what can't be taken back."""

import asyncio
from dataclasses import replace

import pytest

from egress_server.commands.mutate import Mutation, Options, mutate
from egress_server.domain.model.changes import ChangeType, make_etag
from egress_server.domain.model.clusters import Cluster, LocalTarget, Mesh
from egress_server.domain.model.errors import Aborted, EgressError, FailedPrecondition, InvalidArgument, NotFound
from egress_server.domain.model.resources import Abort, Delay, Fault, Protocol, Resource, ServiceEntry, ServicePort
from tests.contract.commands.conftest import CALLER, House


def cluster(house: House, **labels: str) -> Cluster:
    """A cluster."""
    return Cluster(f"meshes/{house.mesh}/clusters/east", LocalTarget(), labels)


def entry(house: House, *hosts: str) -> ServiceEntry:
    """The bank's entry."""
    name = f"meshes/{house.mesh}/namespaces/default/serviceEntries/bank"
    return ServiceEntry(name, hosts or ("bank.example.com",), (ServicePort(80, Protocol.HTTP, "http"),))


def fault(house: House, ttl: float = 600.0) -> Fault:
    """A fault on the bank."""
    name = f"meshes/{house.mesh}/namespaces/default/faults/down"
    return Fault(name, "bank.example.com", ttl, abort=Abort(503))


async def test_a_set_goes_back_to_what_was_before(house: House) -> None:
    """The resource is what it was, by a change that says which one it takes back and why."""
    await house.set(house.policy("ALLOW_ANY"))
    change = await house.set(house.policy("REGISTRY_ONLY"))
    outcome = await house.revert(change, reason="too early")
    assert house.now(change.record.resource) == house.policy("ALLOW_ANY")
    assert outcome.change is not None
    assert outcome.change.previous_revision == change.revision
    record = outcome.change.record
    assert (record.type, record.reason) == (ChangeType.REVERT, f"revert of {change.name}: too early")


async def test_a_creation_goes_back_to_nothing(house: House) -> None:
    """What a change created is deleted."""
    change = await house.set(entry(house))
    outcome = await house.revert(change)
    assert outcome.versioned.deleted
    assert house.now(change.record.resource) is None


async def test_a_deletion_goes_back_to_what_was_deleted(house: House) -> None:
    """What a change deleted is there again, and that can be taken back as well."""
    await house.set(entry(house))
    change = await house.delete(entry(house).name)
    back = await house.revert(change)
    assert house.now(entry(house).name) == entry(house)
    assert back.change is not None
    await house.revert(back.change)
    assert house.now(entry(house).name) is None


async def test_a_creation_after_a_deletion(house: House) -> None:
    """A resource that was created anew goes back to being deleted."""
    await house.set(entry(house))
    await house.delete(entry(house).name)
    change = await house.set(entry(house, "other.example.com"))
    assert change.previous_revision
    await house.revert(change)
    assert house.now(entry(house).name) is None


async def test_a_registration_and_its_end(house: House) -> None:
    """Clusters come and go by revert too, and come back driven even if they were being cleaned."""
    registered = await house.set(cluster(house), ChangeType.REGISTER)
    labelled = await house.set(cluster(house, env="prod"))
    await house.revert(labelled)
    assert house.now(cluster(house).name) == cluster(house)
    await house.set(replace(cluster(house), draining=True))
    gone = await house.delete(cluster(house).name, ChangeType.DEREGISTER)
    await house.revert(gone)
    assert house.now(cluster(house).name) == cluster(house)
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(registered)
    assert refused.value.reason == "NOT_LATEST_CHANGE"


async def test_the_mesh(house: House) -> None:
    """A mesh goes back to the labels it had; its creation stays."""
    name = f"meshes/{house.mesh}"
    change = await house.set(Mesh(name, labels={"tier": "gold"}))
    await house.revert(change)
    assert house.now(name) == Mesh(name)
    other = await house.revert(house.bench.snapshot.revision)
    assert other.versioned.resource == Mesh(name, labels={"tier": "gold"})


async def test_a_mesh_is_not_deleted(house: House) -> None:
    """The creation of a mesh can't be taken back."""
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(1)
    assert refused.value.reason == "NOT_REVERSIBLE"


async def test_a_cleared_fault_comes_back_for_the_rest_of_its_time(house: House) -> None:
    """A fault that is brought back ends when it would have ended."""
    await house.set(entry(house))
    await house.set(fault(house))
    change = await house.delete(fault(house).name)
    await asyncio.sleep(0.01)
    await house.revert(change)
    back = house.now(fault(house).name)
    assert isinstance(back, Fault)
    assert back.ttl < 600
    assert replace(back, ttl=600.0) == fault(house)


async def test_a_fault_that_is_over_stays_over(house: House) -> None:
    """Going back to a fault whose time is over is refused, in clear words."""
    await house.set(entry(house))
    await house.set(fault(house, ttl=0.01))
    await asyncio.sleep(0.02)
    change = await house.delete(fault(house).name, ChangeType.EXPIRE)
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(change)
    assert refused.value.reason == "FAULT_EXPIRED"
    assert "inject it again" in refused.value.message


async def test_a_fault_must_still_make_sense(house: House) -> None:
    """A fault whose delay is longer than what is left of it is refused by the rule that any fault obeys."""
    await house.set(entry(house))
    slow = replace(fault(house), abort=None, delay=Delay(599.999))
    await house.set(slow)
    change = await house.delete(slow.name)
    await asyncio.sleep(0.01)
    with pytest.raises(InvalidArgument) as refused:
        await house.revert(change)
    assert refused.value.violations[0].field == "fault.delay.fixed_delay"


async def test_only_the_last_change(house: House) -> None:
    """A change that others followed is refused, naming the last one; of a deleted resource too."""
    first = await house.set(house.policy("ALLOW_ANY"))
    second = await house.set(house.policy("REGISTRY_ONLY"))
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(first)
    assert (refused.value.reason, refused.value.metadata["last_change"]) == ("NOT_LATEST_CHANGE", second.name)
    gone = await house.delete(first.record.resource)
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(second)
    assert refused.value.metadata["last_change"] == gone.name


async def test_unknown_and_forgotten(house: House) -> None:
    """A change that never was is not found; one whose former state is no longer kept says so."""
    with pytest.raises(NotFound) as unknown:
        await house.revert(99)
    assert unknown.value.reason == "CHANGE_NOT_FOUND"
    await house.set(house.policy("ALLOW_ANY"))
    change = await house.set(house.policy("REGISTRY_ONLY"))
    keys = house.bench.keys
    await house.bench.connection.call("XTRIM", keys.history(change.record.resource), "MAXLEN", 1)
    with pytest.raises(FailedPrecondition) as gone:
        await house.revert(change)
    assert gone.value.reason == "HISTORY_EXPIRED"
    await house.bench.connection.call("XTRIM", keys.audit, "MAXLEN", 1)
    with pytest.raises(FailedPrecondition) as gone:
        await house.revert(2)
    assert gone.value.reason == "HISTORY_EXPIRED"


async def test_checks_of_a_mutation(house: House) -> None:
    """What lint forbids now is refused although it was accepted once, and the etag must be the resource's own."""
    await house.set(entry(house))
    await house.set(fault(house))
    cleared = await house.delete(fault(house).name)
    await house.delete(entry(house).name)
    with pytest.raises(FailedPrecondition) as refused:
        await house.revert(cleared)
    assert refused.value.reason == "BLOCKED_BY_FINDINGS"
    change = await house.set(house.policy("ALLOW_ANY"))
    with pytest.raises(Aborted) as mismatch:
        await house.revert(change, etag="other")
    assert mismatch.value.reason == "ETAG_MISMATCH"
    await house.revert(change, etag=make_etag(house.bench.snapshot.epoch, change.revision))


async def test_validate_only(house: House) -> None:
    """The plan shows what would happen, and nothing does."""
    await house.set(cluster(house), ChangeType.REGISTER)
    change = await house.set(entry(house))
    outcome = await house.revert(change, validate_only=True)
    assert outcome.change is None
    assert outcome.plan is not None
    (group,) = outcome.plan.groups
    assert [each.action.value for each in group.changes] == ["DELETE"]
    assert house.now(entry(house).name) == entry(house)


async def test_repeated(house: House) -> None:
    """A retry gets the first answer although the change is no longer the last one; another body is refused."""
    change = await house.set(entry(house))
    first = await house.revert(change, request_id="r", fingerprint="f")
    again = await house.revert(change, request_id="r", fingerprint="f")
    assert first.change == again.change
    with pytest.raises(EgressError) as refused:
        await house.revert(change, request_id="r", fingerprint="g")
    assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_somebody_is_faster(house: House) -> None:
    """Of two that take the same change back one succeeds."""
    change = await house.set(house.policy("ALLOW_ANY"))
    done = await asyncio.gather(*(house.revert(change) for _ in range(5)), return_exceptions=True)
    errors = [each for each in done if isinstance(each, EgressError)]
    assert len(errors) == 4
    assert {error.code.name for error in errors} <= {"ABORTED", "FAILED_PRECONDITION"}


async def test_each_kind_by_its_door(house: House) -> None:
    """A mutation made by a command goes back as well as any."""
    resource: Resource = house.policy("REGISTRY_ONLY")
    outcome = await mutate(house.services, CALLER, Mutation(resource.name, ChangeType.SET, resource, Options()))
    assert outcome.change is not None
    await house.revert(outcome.change)
    assert house.now(resource.name) is None
