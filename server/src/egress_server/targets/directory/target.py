"""The directory target: a folder with one YAML file for each object.

A file is managed if the object in it has our label, whatever the file's name; all other files are left alone. Files are
replaced atomically and are on disk before an apply returns, so a reader never sees half of one. A file that would stay
the same is not written: its times tell other tools that something has changed.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import orjson

from egress_server.aio.waiting import Unbroken
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.durable import replace_file
from egress_server.formats.strict_yaml import YamlError, dump, load_mapping
from egress_server.ports.target import UNREACHABLE, Applied, Live, Projection, Witness
from egress_server.targets.base import StaticTarget

P = ParamSpec("P")
R = TypeVar("R")

WITNESS_FILE = ".egress-state.json"
_HEADER = "# Written by mesh-egress. Manual changes are overwritten.\n"
_NO_INTERCEPTION = Problem(
    UNSUPPORTED,
    "interception has no Istio object; set it in the values of the injector (global.proxy.includeIPRanges etc.)",
)


class YamlDirectoryTarget(StaticTarget):
    """The folder `path` below `root`, which the operator configured. Nothing outside `root` is ever touched."""

    def __init__(self, root: Path, path: str) -> None:
        """Raises PermanentError PATH_OUTSIDE_ROOT."""
        base = root.resolve()
        self._folder = (base / path).resolve()
        if self._folder == base or base not in self._folder.parents:
            raise PermanentError("PATH_OUTSIDE_ROOT", f"{path!r} is not below the directory root")
        self._lock = asyncio.Lock()
        self._calls = Unbroken[Any]()

    async def gather(self) -> Live:
        """Reads the managed files and the witness."""
        return await self._in_thread(self._gather)

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,  # noqa: ARG002 - port
    ) -> Applied:
        """Writes and deletes files, then writes the witness."""
        await self._in_thread(self._apply, upsert, delete, witness)
        return Applied()

    async def strip_ended(self, now: datetime) -> None:
        """Rewrites the files that have faults which have ended."""
        await self._in_thread(self._strip_ended, now)

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:  # noqa: ARG002 - port
        """Everything but interception."""
        return Projection(
            tuple(obj for obj in objects if obj["kind"] != "Interception"),
            {resource_of(obj): _NO_INTERCEPTION for obj in objects if obj["kind"] == "Interception"},
        )

    async def close(self) -> None:
        """Returns once all writes have ended."""
        async with self._lock:
            pass

    def _gather(self) -> Live:
        return Live({key_of(obj): obj for _, obj in _managed(self._folder)}, _read_witness(self._folder))

    def _apply(self, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for obj in upsert:
            _write_object(self._folder, obj)
        for key in delete:
            _delete_object(self._folder, key)
        _write_witness(self._folder, witness)

    def _strip_ended(self, now: datetime) -> None:
        objects = [obj for _, obj in _managed(self._folder)]
        for before, after in zip(objects, strip_expired(objects, now), strict=True):
            if after is not before:
                _write_object(self._folder, after)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One call at a time, each to its end even if the caller is cancelled: a thread can't be stopped, and the next
        call must not read what it is just writing."""
        result: R = await self._calls.run(self._run(work, *args, **kwargs))
        return result

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            async with self._lock:
                return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise TransientError(UNREACHABLE, f"{self._folder}: {error.strerror}") from error
        except (TypeError, ValueError) as error:
            raise PermanentError("STATE_UNREADABLE", f"{self._folder / WITNESS_FILE}: {error}") from error


def _write_object(folder: Path, obj: IstioObject) -> None:
    """Writes one object, unless its file has it already. Raises PermanentError FOREIGN_FILE, OSError."""
    path = _path_of(folder, key_of(obj))
    current = _read(path) if path.exists() else None
    if path.exists() and current is None:
        raise PermanentError("FOREIGN_FILE", f"{path} is not managed by mesh-egress; move it away")
    if current != obj:
        path.parent.mkdir(exist_ok=True)
        replace_file(path, (_HEADER + dump(obj)).encode())


def _delete_object(folder: Path, key: ObjectKey) -> None:
    """Deletes one managed object, whatever the name of its file. Raises OSError."""
    for path, obj in list(_managed(folder)):
        if key_of(obj) == key:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _read_witness(folder: Path) -> Witness | None:
    """The witness; None if the folder was never managed. Raises ValueError, OSError."""
    try:
        content = (folder / WITNESS_FILE).read_bytes()
    except FileNotFoundError:
        return None
    return Witness(**orjson.loads(content))


def _write_witness(folder: Path, witness: Witness | None) -> None:
    """Replaces the witness; None deletes it. Raises ValueError, OSError."""
    path = folder / WITNESS_FILE
    if witness is None:
        path.unlink(missing_ok=True)
    elif witness != _read_witness(folder):
        replace_file(path, orjson.dumps(witness))


def _path_of(folder: Path, key: ObjectKey) -> Path:
    return folder / key.namespace / f"{key.kind.lower()}-{key.name}.yaml"


def _managed(folder: Path) -> Iterator[tuple[Path, IstioObject]]:
    """The managed objects with their files. Raises OSError if the folder exists and can't be read."""
    try:
        namespaces = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in [path for namespace in namespaces for path in sorted(namespace.glob("*.yaml"))]:
        if (obj := _read(path)) is not None:
            yield path, obj


def _read(path: Path) -> IstioObject | None:
    """The object in a file, if it is managed."""
    try:
        obj = load_mapping(path.read_text("utf-8"))
        is_managed: bool = MANAGED_BY.items() <= obj["metadata"]["labels"].items()
        key_of(obj)
    except (YamlError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return None
    return obj if is_managed else None
