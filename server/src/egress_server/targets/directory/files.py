"""The folder of one cluster: which files are ours, and how they are read and written.

A file is ours if the object in it carries our label, whatever its name; everything else is left alone. Files are
replaced as a whole and reach the disk before anyone hears of it, so a reader never sees half of one.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of
from egress_server.durable import replace_file
from egress_server.formats.strict_yaml import YamlError, dump, load_mapping
from egress_server.ports.target import Witness

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
