"""Folders that can't be redirected, and atomic, fsynced files in them, for what a cluster, a store or an installation
must not lose."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

OWNER_ONLY = 0o600
"""The mode of files that only this program reads."""

_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class WrongFileTypeError(Exception):
    """A symbolic link, or in place of a regular file anything else; the message has its name."""


class Folder:
    """An open folder. Every call names a direct child and never follows a symbolic link, so it stays in this folder
    even if others move things or plant links meanwhile. A context manager."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder at a path that the operator chose: links in the path itself are followed. Raises OSError."""
        return cls(os.open(path, _READ_FOLDER))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def child(self, name: str, *, create: bool = False) -> "Folder":
        """The folder `name` in this one. Raises WrongFileTypeError, OSError."""
        if create:
            with contextlib.suppress(FileExistsError):
                os.mkdir(_plain(name), dir_fd=self._descriptor)
                os.fsync(self._descriptor)
        return Folder(self._open(name, _READ_FOLDER))

    def names(self) -> list[str]:
        """The names in the folder, sorted. Raises OSError."""
        with os.scandir(self._descriptor) as found:
            return sorted(item.name for item in found)

    def has(self, name: str) -> bool:
        """Whether there is anything of this name, even a link to nothing. Raises OSError."""
        return self._mode(name) is not None

    def read(self, name: str) -> bytes:
        """The content of a regular file. Raises WrongFileTypeError, OSError."""
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        descriptor = self._open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WrongFileTypeError(f"{name} is not a regular file")
            return file.read()

    def replace(self, name: str, content: bytes, *, mode: int = 0o666, sync: bool = True) -> None:
        """Replaces a file: a reader sees either the old or the new one. With `sync` the new one is on disk once this
        returns. Raises OSError, and leaves the old file in place then."""
        draft = f".{name}.new"
        self._write(draft, content, mode, sync=sync)
        os.replace(draft, _plain(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        if sync:
            os.fsync(self._descriptor)

    def create(self, name: str, content: bytes, *, mode: int) -> None:
        """Creates a file, on disk once this returns; an existing one is left alone. Raises OSError."""
        draft = f".{name}.{os.getpid()}"
        try:
            self._write(draft, content, mode)
            with contextlib.suppress(FileExistsError):
                os.link(draft, _plain(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        finally:
            self.remove(draft)
        os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        """Deletes a file or a link, if there is one. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_plain(name), dir_fd=self._descriptor)

    def remove_folder(self, name: str) -> None:
        """Deletes the folder `name` if it is empty. Raises OSError."""
        try:
            os.rmdir(_plain(name), dir_fd=self._descriptor)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
                raise

    def _write(self, name: str, content: bytes, mode: int, *, sync: bool = True) -> None:
        """Writes a new file: what is at this name, as a draft left over or a planted link, is deleted."""
        self.remove(name)
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if sync:
                os.fsync(descriptor)

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(_plain(name), flags | os.O_NOFOLLOW, dir_fd=self._descriptor)
        except OSError:
            if stat.S_ISLNK(self._mode(name) or 0):
                raise WrongFileTypeError(f"{name} is a symbolic link") from None
            raise

    def _mode(self, name: str) -> int | None:
        """The type and permissions of what has this name; None if nothing has."""
        try:
            return os.stat(_plain(name), dir_fd=self._descriptor, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def folder_below(root: Path, path: str, *, create: bool = False) -> Iterator[Folder]:
    """The folder at a relative path below `root`, of which no component is a symbolic link. With `create`, missing
    folders are created. Raises WrongFileTypeError, OSError."""
    if create:
        root.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(Folder.at(root))
        for name in path.split("/"):
            folder = opened.enter_context(folder.child(name, create=create))
        yield folder


def replace_file(path: Path, content: bytes) -> None:
    """Replaces a file that only this program reads, atomically and durably. Raises OSError, and leaves the old file in
    place then."""
    with Folder.at(path.parent) as folder:
        folder.replace(path.name, content, mode=OWNER_ONLY)


def create_secret(path: Path, content: bytes) -> None:
    """Creates a file that only its owner can read, durably; an existing one is left alone. Raises OSError."""
    with Folder.at(path.parent) as folder:
        folder.create(path.name, content, mode=OWNER_ONLY)


def _plain(name: str) -> str:
    """Raises OSError for a name that leads out of the folder."""
    if name in ("", ".", "..") or "/" in name:
        raise OSError(errno.EINVAL, "not a file name", name)
    return name
