"""A folder as the delivery loop sees it: applying is writing files."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.ports.target import UNREACHABLE, Applied, Fit, Live, Witness
from egress_server.targets.base import StaticTarget
from egress_server.targets.directory import files

P = ParamSpec("P")
R = TypeVar("R")

_NO_INTERCEPTION = Problem(
    UNSUPPORTED,
    "interception has no Istio object; set it in the values of the injector (global.proxy.includeIPRanges etc.)",
)


class YamlDirectoryTarget(StaticTarget):
    """The folder `path` below `root`, which the operator named. Nothing outside `root` is ever touched."""

    def __init__(self, root: Path, path: str) -> None:
        """Raises PermanentError PATH_OUTSIDE_ROOT."""
        base = root.resolve()
        self._folder = (base / path).resolve()
        if self._folder == base or base not in self._folder.parents:
            raise PermanentError("PATH_OUTSIDE_ROOT", f"{path!r} leads out of the directory root")

    async def gather(self) -> Live:
        """Reads our files and the witness."""
        return await self._in_thread(self._gather)

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """Writes and removes files, then the witness."""
        await self._in_thread(self._apply, upsert, delete, witness)
        return Applied()

    async def strip_ended(self, now: datetime) -> None:
        """Rewrites the files of faults that have ended."""
        await self._in_thread(self._strip_ended, now)

    def fit(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Fit:  # noqa: ARG002 - as the port
        """All but what has no place in a folder of Istio objects."""
        return Fit(
            tuple(obj for obj in objects if obj["kind"] != "Interception"),
            {resource_of(obj): _NO_INTERCEPTION for obj in objects if obj["kind"] == "Interception"},
        )

    async def close(self) -> None:
        """Nothing to let go of."""

    def _gather(self) -> Live:
        return Live(files.read_objects(self._folder), files.read_witness(self._folder))

    def _apply(self, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for obj in upsert:
            files.write_object(self._folder, obj)
        for key in delete:
            files.remove_object(self._folder, key)
        files.write_witness(self._folder, witness)

    def _strip_ended(self, now: datetime) -> None:
        held = list(files.read_objects(self._folder).values())
        for before, after in zip(held, strip_expired(held, now), strict=True):
            if after is not before:
                files.write_object(self._folder, after)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except files.ForeignFile as error:
            raise PermanentError("FOREIGN_FILE", str(error)) from error
        except OSError as error:
            raise TransientError(UNREACHABLE, f"{self._folder}: {error.strerror}") from error
        except (TypeError, ValueError) as error:
            raise PermanentError("STATE_UNREADABLE", f"{self._folder / files.WITNESS_FILE}: {error}") from error
