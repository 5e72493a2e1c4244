"""The folder of one cluster: which files are ours, and how they are read and written.

A file is ours if the object in it carries our label, whatever its name; everything else is left alone. Files are
replaced as a whole and reach the disk before anyone hears of it, so a reader never sees half of one.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import orjson

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import Cluster
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.domain.render.expired_faults import strip_ended
from egress_server.durable import replace_file
from egress_server.formats.strict_yaml import YamlError, dump, load_mapping
from egress_server.ports.target import UNREACHABLE, Applied, Fit, Live, Witness
from egress_server.targets.base import StaticTarget

WITNESS_FILE = ".egress-state.json"
_HEADER = "# Written by mesh-egress. Changes made here are taken back.\n"


class ForeignFile(Exception):
    """A file stands where one of ours has to be, and it is not ours."""


def read_objects(folder: Path) -> dict[ObjectKey, IstioObject]:
    """Our objects, by key. Raises OSError."""
    return {key_of(obj): obj for _, obj in _ours(folder)}


def write_object(folder: Path, obj: IstioObject) -> None:
    """Puts one object in its place, unless it is there already. Raises ForeignFile, OSError."""
    path = _place(folder, key_of(obj))
    if path.exists() and _read(path) is None:
        raise ForeignFile(f"{path} is not ours; move it away")
    content = (_HEADER + dump(obj)).encode()
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, content)


def remove_object(folder: Path, key: ObjectKey) -> None:
    """Takes one object of ours away, wherever its file is. Raises OSError."""
    for path, obj in list(_ours(folder)):
        if key_of(obj) == key:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def read_witness(folder: Path) -> Witness | None:
    """What the folder remembers of the store; None where it was never driven. Raises ValueError, OSError."""
    path = folder / WITNESS_FILE
    return Witness(**orjson.loads(path.read_bytes())) if path.exists() else None


def write_witness(folder: Path, witness: Witness | None) -> None:
    """Replaces the witness; None takes it away. Raises OSError."""
    path = folder / WITNESS_FILE
    if witness is None:
        path.unlink(missing_ok=True)
    else:
        replace_file(path, orjson.dumps(witness))


def _place(folder: Path, key: ObjectKey) -> Path:
    return folder / key.namespace / f"{key.kind.lower()}-{key.name}.yaml"


def _ours(folder: Path) -> Iterator[tuple[Path, IstioObject]]:
    for path in sorted(folder.glob("*/*.yaml")):
        if (obj := _read(path)) is not None:
            yield path, obj


def _read(path: Path) -> IstioObject | None:
    """The object in a file, if it is ours."""
    try:
        obj = load_mapping(path.read_text("utf-8"))
        ours: bool = MANAGED_BY.items() <= obj["metadata"]["labels"].items()
        key_of(obj)
    except (YamlError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None
    return obj if ours else None


P = ParamSpec("P")
R = TypeVar("R")

_NO_INTERCEPTION = Problem(
    UNSUPPORTED,
    "interception has no Istio object; set it in the values of the injector (global.proxy.includeIPRanges etc.)",
)


class DirectoryTarget(StaticTarget):
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
        return Live(read_objects(self._folder), read_witness(self._folder))

    def _apply(self, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for obj in upsert:
            write_object(self._folder, obj)
        for key in delete:
            remove_object(self._folder, key)
        write_witness(self._folder, witness)

    def _strip_ended(self, now: datetime) -> None:
        held = list(read_objects(self._folder).values())
        for before, after in zip(held, strip_ended(held, now), strict=True):
            if after is not before:
                write_object(self._folder, after)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except ForeignFile as error:
            raise PermanentError("FOREIGN_FILE", str(error)) from error
        except OSError as error:
            raise TransientError(UNREACHABLE, f"{self._folder}: {error.strerror}") from error
        except (TypeError, ValueError) as error:
            raise PermanentError("STATE_UNREADABLE", f"{self._folder / WITNESS_FILE}: {error}") from error
