"""Files that survive a power failure whole: what a cluster, a store or an installation must not forget."""

import contextlib
import os
from pathlib import Path

_OURS_ALONE = 0o600


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Puts `content` in the place of the file; a reader sees the old or the new one, never half of either, and once
    this returns it is on the disk. Of a `private` one, only we are readers. Raises OSError; the former file stays
    then."""
    draft = path.with_name(f".{path.name}.new")
    _write(draft, content, _OURS_ALONE if private else 0o666)
    draft.replace(path)
    _sync_folder(path)


def create_secret(path: Path, content: bytes) -> None:
    """Makes a file that only we can read, where there is none; one that is there stays, whoever made it. Once this
    returns it is on the disk. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, content, _OURS_ALONE)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path)


def _write(path: Path, content: bytes, mode: int) -> None:
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
