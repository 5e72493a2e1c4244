"""The in-memory target."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.resources import Resource
from tests.contract.target.benches.bench import TargetBench, Topic
from tests.support.doubles.memory_target import MemoryCluster, MemoryTarget, foreign_object
from tests.support.meshes import cluster, entry
from tests.support.target_driver import TargetDriver

MAKE = type[MemoryTarget]


class MemoryBench(TargetBench):
    """A cluster in memory. Targets are made by `make`, which a planted bug may replace."""

    opt_outs: ClassVar[Mapping[Topic, str]] = {Topic.RECORD: "the witness is a Python object, never read from text"}
    unsupported: ClassVar[Resource] = entry("unsupported")
    immediate: ClassVar[bool] = True

    def __init__(self, make: MAKE = MemoryTarget) -> None:
        self._make = make
        self._cluster = MemoryCluster()
        self._rejects: dict[str, str] = {}
        self._drivers: list[TargetDriver] = []
        self.process = self._open()

    async def another(self) -> TargetDriver:
        """See TargetBench."""
        return self._open()

    def spoil(self, obj: IstioObject) -> IstioObject:
        """See TargetBench."""
        self._rejects[resource_of(obj)] = "NEVER"
        return obj

    async def close(self) -> None:
        """See TargetBench."""
        for driver in self._drivers:
            await driver.close()

    async def versions(self) -> Mapping[str, object]:
        """See TargetBench."""
        held = {key.name: self._cluster.versions[key] for key in self._cluster.objects}
        return {**held, "witness": self._cluster.witness}

    async def creation_order(self) -> Sequence[str]:
        """See TargetBench."""
        return [key.name for key in self._cluster.objects if key.kind == "ServiceEntry"]

    async def create_foreign(self, name: str) -> None:
        """See TargetBench."""
        self._cluster.put_foreign(foreign_object("ServiceEntry", "default", name, {"hosts": [f"{name}.example.org"]}))

    async def delete_foreign(self, name: str) -> None:
        """See TargetBench."""
        self._cluster.delete_foreign(ObjectKey("ServiceEntry", "default", name))

    async def foreign(self) -> Mapping[str, object]:
        """See TargetBench."""
        return {key.name: obj for key, obj in self._cluster.foreign.items()}

    async def change(self, key: ObjectKey, spec: Mapping[str, Any], by: str = "kubectl") -> None:
        """See TargetBench."""
        self._cluster.change(key.name, dict(spec), by)

    async def delete(self, key: ObjectKey) -> None:
        """See TargetBench."""
        self._cluster.change(key.name, None)

    async def take_down(self) -> None:
        """See TargetBench."""
        self._cluster.take_down()

    async def bring_back(self) -> None:
        """See TargetBench."""
        self._cluster.bring_back()

    def _open(self) -> TargetDriver:
        unsupported: Resource = self.unsupported
        target = self._make(self._cluster, unsupported={unsupported.name: "not here"}, rejects=self._rejects)
        driver = TargetDriver(target, cluster())
        self._drivers.append(driver)
        return driver


@asynccontextmanager
async def memory(make: MAKE = MemoryTarget) -> AsyncIterator[MemoryBench]:
    """A new cluster in memory."""
    bench = MemoryBench(make)
    try:
        yield bench
    finally:
        await bench.close()
