"""The state machine is able to fail: it finds each of these bugs in the in-memory target."""

# ruff: noqa: ARG002 - the double's signatures

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of
from egress_server.ports.target import Applied, Live, Projection, Witness
from tests.contract.target.benches.memory import memory
from tests.contract.target.machine import SETTINGS, Setup, machine_over
from tests.support.doubles.memory_target import MemoryLive, MemoryTarget
from tests.support.virtual_time import VirtualLoop


class LostFence(MemoryTarget):
    """A former applier overwrites what a newer one has applied."""

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        pass


class FenceOfEveryStore(MemoryTarget):
    """Fencing tokens of two stores are compared."""

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        last = self.cluster.witness
        super().check_fence(witness and last and replace(witness, epoch=last.epoch), accepted)


class AcceptanceForgotten(MemoryTarget):
    """A store that was restored from an older copy can't take over although it was accepted."""

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        super().check_fence(witness)


class FenceCheckedLast(MemoryTarget):
    """An apply is refused after it has written."""

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        self._late = witness, accepted

    def write_witness(self, witness: Witness | None) -> None:
        super().check_fence(*self._late)
        super().write_witness(witness)


class WitnessFirst(MemoryTarget):
    """The witness is there before the objects are."""

    def check_fence(self, witness: Witness | None, accepted: Witness | None = None) -> None:
        super().check_fence(witness, accepted)
        self.write_witness(witness)


class WitnessStays(MemoryTarget):
    """A released cluster still looks managed."""

    def write_witness(self, witness: Witness | None) -> None:
        super().write_witness(witness or self.cluster.witness)


class WitnessOnlyWithChanges(MemoryTarget):
    """An apply that changes no object does not write the witness."""

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        current = witness if upsert or delete or witness is None else self.cluster.witness
        return await super().apply(upsert=upsert, delete=delete, witness=current, accepted=accepted)


class FormerWitness(MemoryTarget):
    """A process gathers the witness that it has written itself."""

    _written: Witness | None = None

    def write_witness(self, witness: Witness | None) -> None:
        super().write_witness(witness)
        self._written = witness

    async def gather(self) -> Live:
        live = await super().gather()
        return replace(live, witness=self._written or live.witness)


class ForeignOverwritten(MemoryTarget):
    """An unmanaged object of the same name becomes a managed one."""

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        assert isinstance(live, MemoryLive)
        return super().project(objects, cluster, replace(live, foreign=frozenset()))

    def write(self, obj: IstioObject) -> None:
        self.cluster.foreign.pop(key_of(obj), None)
        super().write(obj)


class ForeignDeleted(MemoryTarget):
    """A deletion takes unmanaged objects of the namespace along."""

    def delete(self, key: ObjectKey) -> None:
        super().delete(key)
        self.cluster.foreign.clear()


class ForeignReleased(MemoryTarget):
    """A release clears the cluster."""

    def write_witness(self, witness: Witness | None) -> None:
        super().write_witness(witness)
        if witness is None:
            self.cluster.foreign.clear()


class ObstacleUnreported(MemoryTarget):
    """What can't be applied is left out in silence."""

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        return Projection(super().project(objects, cluster, live).objects)


class ObstacleForEverything(MemoryTarget):
    """One object in the way stops the others."""

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        found = super().project(objects, cluster, live)
        return replace(found, objects=()) if found.obstacles else found


class EventLost(MemoryTarget):
    """Changes by other clients are not reported."""

    async def changes(self) -> AsyncIterator[None]:
        return
        yield


class OneEventOnly(MemoryTarget):
    """Only the first change is reported."""

    async def changes(self) -> AsyncIterator[None]:
        async for _ in super().changes():
            yield
            return


class OwnWritesReported(MemoryTarget):
    """A reconcile causes the next one."""

    def write(self, obj: IstioObject) -> None:
        super().write(obj)
        self._changed.set()


class EqualRewritten(MemoryTarget):
    """An object that is as desired is written again."""

    def write(self, obj: IstioObject) -> None:
        super().write(obj)
        self.cluster.versions[key_of(obj)] += 1


class Reordered(MemoryTarget):
    """An object that is updated becomes the youngest."""

    def write(self, obj: IstioObject) -> None:
        if self.cluster.objects.get(key_of(obj)) != obj:
            self.cluster.objects.pop(key_of(obj), None)
        super().write(obj)


class YoungestFirst(MemoryTarget):
    """New objects are created in the wrong order."""

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        return await super().apply(upsert=upsert[::-1], delete=delete, witness=witness, accepted=accepted)


class DeletionForgotten(MemoryTarget):
    """An apply that creates objects deletes none."""

    def delete(self, key: ObjectKey) -> None:
        if len(self.cluster.objects) == 1:
            super().delete(key)


class MergedUpdate(MemoryTarget):
    """Fields that are no longer desired stay."""

    def write(self, obj: IstioObject) -> None:
        former = self.cluster.objects.get(key_of(obj))
        if former and "hosts" in former["spec"] and len(former["spec"]["hosts"]) > len(obj["spec"]["hosts"]):
            obj = {**obj, "spec": {**obj["spec"], "hosts": former["spec"]["hosts"]}}
        super().write(obj)


class StaleGather(MemoryTarget):
    """Changes by other clients are not gathered."""

    async def gather(self) -> Live:
        live = await super().gather()
        return replace(live, objects={**live.objects, **self._own(live)})

    def _own(self, live: Live) -> Mapping[ObjectKey, IstioObject]:
        return {key: obj for key, obj in self.__dict__.setdefault("own", {}).items() if key in live.objects}

    def write(self, obj: IstioObject) -> None:
        super().write(obj)
        self.__dict__.setdefault("own", {})[key_of(obj)] = obj


class WriterForgotten(MemoryTarget):
    """Who changed an object is not gathered."""

    async def gather(self) -> Live:
        return replace(await super().gather(), changed_by={})


class WriterStays(MemoryTarget):
    """Another client is blamed for what was repaired long ago."""

    def write(self, obj: IstioObject) -> None:
        writer = self.cluster.changed_by.get(key_of(obj))
        super().write(obj)
        if writer:
            self.cluster.changed_by[key_of(obj)] = writer


class FaultStays(MemoryTarget):
    """Ended faults stay until the next reconcile."""

    async def strip_ended(self, now: datetime) -> None:
        pass


class AllFaultsEnd(MemoryTarget):
    """Faults go that have not ended yet."""

    async def strip_ended(self, now: datetime) -> None:
        await super().strip_ended(now.replace(year=now.year + 1))


class StripWritesWitness(MemoryTarget):
    """The removal of an ended fault looks like an apply."""

    async def strip_ended(self, now: datetime) -> None:
        await super().strip_ended(now)
        self.write_witness(self.cluster.witness and replace(self.cluster.witness, fence=9))


class EmptyWhileUnreachable(MemoryTarget):
    """A cluster that can't be reached looks like a new one."""

    async def gather(self) -> Live:
        return Live({}, None) if self.cluster.down else await super().gather()


class AppliedWhileUnreachable(MemoryTarget):
    """An apply that does not reach the cluster is taken for done."""

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        return (
            Applied()
            if self.cluster.down
            else await super().apply(upsert=upsert, delete=delete, witness=witness, accepted=accepted)
        )


BUGS = [bug for bug in MemoryTarget.__subclasses__() if bug.__module__ == __name__]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_planted_bug_is_found(bug: type[MemoryTarget]) -> None:
    """With the same seed every time, and more examples than the in-memory target itself gets: some bugs take luck."""
    tries = settings(SETTINGS, max_examples=600, derandomize=True, database=None, phases=[Phase.generate])
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        machine = machine_over(Setup(partial(memory, bug), runner.get_loop()))
        with pytest.raises(AssertionError):
            run_state_machine_as_test(machine, settings=tries)
