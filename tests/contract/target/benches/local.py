"""The local target, with an Envoy."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from egress_server.domain.model.resources import Resolution, Resource
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.contract.target.benches.bench import TargetBench, Topic
from tests.support.meshes import cluster, entry
from tests.support.target_driver import TargetDriver

_ONE_CLIENT = "the objects are in a file of this process, which has no other clients"


class LocalBench(TargetBench):
    """A cluster in `folder`. Many tests use it one after another: `reset` is far cheaper than another Envoy."""

    opt_outs: ClassVar[Mapping[Topic, str]] = {
        **dict.fromkeys((Topic.FOREIGN, Topic.FOREIGN_OBSTACLE, Topic.DRIFT, Topic.EVENTS), _ONE_CLIENT),
        **dict.fromkeys((Topic.WRITERS, Topic.FENCE, Topic.PROCESSES), _ONE_CLIENT),
        Topic.OUTAGE: "Envoy is a child process, which is restarted; see tests/integration/local/test_processes.py",
        Topic.REJECTION: "Envoy accepts or rejects an apply as a whole; see tests/integration/local/test_updates.py",
    }
    unsupported: ClassVar[Resource] = entry("unsupported", resolution=Resolution.DYNAMIC_DNS)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._target: LocalEnvoyTarget | None = None

    async def reset(self) -> None:
        """Makes it a new cluster, which was never managed."""
        if self._target is None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._target = await self._start()
        self.process = TargetDriver(self._target, cluster())
        await self.process.release()

    async def another(self) -> TargetDriver:
        """See TargetBench. The process has restarted."""
        await self.close()
        self._target = await self._start()
        self.process = TargetDriver(self._target, cluster())
        return self.process

    async def close(self) -> None:
        """See TargetBench."""
        if self._target is not None:
            await self._target.stop()
            self._target = None

    async def versions(self) -> Mapping[str, object]:
        """See TargetBench. Envoy's files, as each change of an object is in one of them."""
        stats = {path.name: path.stat() for path in self._folder.glob("envoy/xds/*.json")}
        assert stats
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

    async def creation_order(self) -> Sequence[str]:
        """See TargetBench."""
        return [key.name for key in (await self.process.live()).objects if key.kind == "ServiceEntry"]

    async def damage_record(self) -> None:
        """See TargetBench."""
        (self._folder / "state.json").write_text('{"objects": [')

    async def _start(self) -> LocalEnvoyTarget:
        target = LocalEnvoyTarget(self._folder, name="contract", namespace="default", resolve=())
        await target.start()
        return target
