"""The directory target: a folder with one YAML file for each object.

A file is managed if the object in it has our label, whatever the file's name; all other files are left alone. Files are
replaced atomically and are on disk before an apply returns, so a reader never sees half of one. A file that would stay
the same is not written: its times tell other tools that something has changed.

A cluster's path and names come from requests, so no component below the root may be a symbolic link: it could lead
anywhere, also to files of other programs. Folders are opened one by one, relative to each other, for every call.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
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
from egress_server.durable import OWNER_ONLY, Folder, WrongFileTypeError, folder_below
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
        if any(name in ("", ".", "..") for name in path.split("/")):
            raise PermanentError("PATH_OUTSIDE_ROOT", f"{path!r} is not below the directory root")
        self._root = root
        self._path = path
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
        try:
            with folder_below(self._root, self._path) as folder:
                return Live({key_of(file.obj): file.obj for file in _managed(folder)}, _read_witness(folder))
        except FileNotFoundError:
            return Live({}, None)

    def _apply(self, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None) -> None:
        with folder_below(self._root, self._path, create=True) as folder:
            for obj in upsert:
                _write_object(folder, obj)
            if delete:
                _delete_objects(folder, frozenset(delete))
            _write_witness(folder, witness)

    def _strip_ended(self, now: datetime) -> None:
        with contextlib.suppress(FileNotFoundError), folder_below(self._root, self._path) as folder:
            objects = [file.obj for file in _managed(folder)]
            for before, after in zip(objects, strip_expired(objects, now), strict=True):
                if after is not before:
                    _write_object(folder, after)

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One call at a time, each to its end even if the caller is cancelled: a thread can't be stopped, and the next
        call must not read what it is just writing."""
        result: R = await self._calls.run(self._run(work, *args, **kwargs))
        return result

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            async with self._lock:
                return await asyncio.to_thread(work, *args, **kwargs)
        except WrongFileTypeError as error:
            raise PermanentError("PATH_OUTSIDE_ROOT", f"{self._where}: {error}") from error
        except OSError as error:
            raise TransientError(UNREACHABLE, f"{self._where}: {error.strerror}") from error
        except (TypeError, ValueError) as error:
            raise PermanentError("STATE_UNREADABLE", f"{self._where / WITNESS_FILE}: {error}") from error

    @property
    def _where(self) -> Path:
        return self._root / self._path


@dataclass(frozen=True, slots=True)
class _ManagedFile:
    """A managed object, and the file that has it."""

    namespace: str
    name: str
    obj: IstioObject


def _write_object(folder: Folder, obj: IstioObject) -> None:
    """Writes one object, unless its file has it already. Raises PermanentError FOREIGN_FILE, WrongFileTypeError,
    OSError."""
    key = key_of(obj)
    name = f"{key.kind.lower()}-{key.name}.yaml"
    with folder.child(key.namespace, create=True) as namespace:
        current = _read(namespace, name)
        if current is None and namespace.has(name):
            path = f"{key.namespace}/{name}"
            raise PermanentError("FOREIGN_FILE", f"{path} is not managed by mesh-egress; move it away")
        if current != obj:
            namespace.replace(name, (_HEADER + dump(obj)).encode())


def _delete_objects(folder: Folder, keys: Collection[ObjectKey]) -> None:
    """Deletes managed objects, whatever the names of their files. Raises OSError."""
    for file in list(_managed(folder)):
        if key_of(file.obj) in keys:
            with folder.child(file.namespace) as namespace:
                namespace.remove(file.name)
            folder.remove_folder(file.namespace)


def _read_witness(folder: Folder) -> Witness | None:
    """The witness; None if the folder was never managed. Raises ValueError, WrongFileTypeError, OSError."""
    try:
        content = folder.read(WITNESS_FILE)
    except FileNotFoundError:
        return None
    return Witness(**orjson.loads(content))


def _write_witness(folder: Folder, witness: Witness | None) -> None:
    """Replaces the witness; None deletes it. Raises ValueError, WrongFileTypeError, OSError."""
    if witness is None:
        folder.remove(WITNESS_FILE)
    elif witness != _read_witness(folder):
        folder.replace(WITNESS_FILE, orjson.dumps(witness), mode=OWNER_ONLY)


def _managed(folder: Folder) -> Iterator[_ManagedFile]:
    """The managed objects with their files, without what links lead to. Raises OSError."""
    for name in folder.names():
        try:
            namespace = folder.child(name)
        except (WrongFileTypeError, NotADirectoryError, FileNotFoundError):
            continue
        with namespace:
            for file in namespace.names():
                if file.endswith(".yaml") and (obj := _read(namespace, file)) is not None:
                    yield _ManagedFile(name, file, obj)


def _read(namespace: Folder, name: str) -> IstioObject | None:
    """The object in a file, if there is one and it is managed. Raises OSError."""
    try:
        obj = load_mapping(namespace.read(name).decode())
        is_managed: bool = MANAGED_BY.items() <= obj["metadata"]["labels"].items()
        key_of(obj)
    except (FileNotFoundError, WrongFileTypeError, YamlError, UnicodeDecodeError):
        return None
    except (KeyError, TypeError, AttributeError):  # another kind of file
        return None
    return obj if is_managed else None
