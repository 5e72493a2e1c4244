"""Atomic, fsynced file replacement, for what a cluster, a store or an installation must not lose."""

import contextlib
import os
from pathlib import Path

_OWNER_ONLY = 0o600


def replace_file(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replaces the file with `content`: a reader sees either the old or the new file, and once this returns the new one
    is on disk. A `private` file is readable by its owner only. Raises OSError, and leaves the old file in place then.
    """
    draft = path.with_name(f".{path.name}.new")
    _write(draft, content, _OWNER_ONLY if private else 0o666)
    draft.replace(path)
    _sync_folder(path)


def create_secret(path: Path, content: bytes) -> None:
    """Creates a file that only its owner can read; an existing one is left alone. Once this returns the file is on
    disk. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, content, _OWNER_ONLY)
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
