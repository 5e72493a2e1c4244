"""The directory target, on a folder."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from egress_server.domain.model.objects import MANAGED_BY, ObjectKey
from egress_server.domain.model.resources import Resource
from egress_server.targets.directory.target import WITNESS_FILE, YamlDirectoryTarget
from tests.contract.target.benches.bench import TargetBench, Topic
from tests.support.meshes import cluster, interception
from tests.support.target_driver import TargetDriver

_FOREIGN = "# Written by a person.\nkind: ServiceEntry\nmetadata: {{name: {0}, namespace: default}}\nspec: {{}}\n"


class DirectoryBench(TargetBench):
    """The folder `east` below `root`."""

    opt_outs: ClassVar[Mapping[Topic, str]] = {
        Topic.FOREIGN_OBSTACLE: "a file in the way fails the apply with FOREIGN_FILE; see tests/integration/directory",
        Topic.EVENTS: "the folder is read at each resync; a GitOps folder has no writer that must be noticed sooner",
        Topic.WRITERS: "a file does not say who changed it last",
        Topic.FENCE: "files have no versions, so a comparison with the witness could not be made in one step",
        Topic.CREATION_ORDER: "the tool that applies the files decides when each object is created",
        Topic.REJECTION: "a folder takes any object",
    }
    unsupported: ClassVar[Resource] = interception("everything")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "east"
        self._away = root / "away"
        self._drivers: list[TargetDriver] = []
        self.process = self._open()

    async def another(self) -> TargetDriver:
        """See TargetBench."""
        return self._open()

    async def close(self) -> None:
        """See TargetBench."""
        for driver in self._drivers:
            await driver.close()

    async def versions(self) -> Mapping[str, object]:
        """See TargetBench."""
        files = {path.stem: path for path in self._files()} | {"witness": self._folder / WITNESS_FILE}
        found: dict[str, object] = {}
        for name, path in files.items():
            with contextlib.suppress(FileNotFoundError):  # an apply is removing it
                stat = path.stat()
                found[name] = (stat.st_ino, stat.st_mtime_ns)
        return found

    async def create_foreign(self, name: str) -> None:
        """See TargetBench."""
        path = self._foreign_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_FOREIGN.format(name))

    async def delete_foreign(self, name: str) -> None:
        """See TargetBench."""
        self._foreign_path(name).unlink()

    async def foreign(self) -> Mapping[str, object]:
        """See TargetBench."""
        found = {path: yaml.safe_load(path.read_text())["metadata"] for path in self._files()}
        return {
            metadata["name"]: (path.read_text(), path.stat().st_mtime_ns)
            for path, metadata in found.items()
            if metadata.get("labels") != MANAGED_BY
        }

    async def change(self, key: ObjectKey, spec: Mapping[str, Any], by: str = "") -> None:  # noqa: ARG002 - as the bench
        """See TargetBench."""
        path = self._path(key)
        obj = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**obj, "spec": {**obj["spec"], **spec}}))

    async def delete(self, key: ObjectKey) -> None:
        """See TargetBench."""
        self._path(key).unlink()

    async def take_down(self) -> None:
        """See TargetBench. A file is where the folder should be, as when a mount fails."""
        self._folder.mkdir(exist_ok=True)
        await asyncio.to_thread(self._folder.rename, self._away)
        self._folder.write_text("")

    async def bring_back(self) -> None:
        """See TargetBench."""
        self._folder.unlink()
        await asyncio.to_thread(self._away.rename, self._folder)

    async def damage_record(self) -> None:
        """See TargetBench."""
        (self._folder / WITNESS_FILE).write_text('{"epoch": ')

    def _files(self) -> Iterator[Path]:
        return self._folder.glob("*/*.yaml")

    def _foreign_path(self, name: str) -> Path:
        return self._folder / "default" / f"foreign-{name}.yaml"

    def _path(self, key: ObjectKey) -> Path:
        return self._folder / key.namespace / f"{key.kind.lower()}-{key.name}.yaml"

    def _open(self) -> TargetDriver:
        driver = TargetDriver(YamlDirectoryTarget(self._root, "east"), cluster())
        self._drivers.append(driver)
        return driver
