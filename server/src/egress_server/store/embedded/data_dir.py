"""The folder of an embedded store: one egressd at a time, and only the data that belongs there.

`store.json` remembers the store's epoch and the server that wrote it. Both guard against silent loss: data without that
epoch is another store, and an older server over newer data may start empty without an error (Redis 6.2 does not know
the file layout of 7.0).
"""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

import msgspec

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.durable import OWNER_ONLY, replace_file
from egress_server.store.redis.checks import incompatible
from egress_server.store.redis.release import REDIS, Release

_SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path less its final zero (unix(7))."""


class StoreFile(msgspec.Struct, omit_defaults=True):
    """The content of store.json."""

    epoch: str
    format: int
    product: str = ""
    version: str = ""
    redis_version: str = ""
    """What format 1 (mesh-egress 0.1.0) has in place of product and version."""

    @property
    def release(self) -> Release:
        """The server that wrote the data last."""
        return Release.of(self.product or REDIS, self.version or self.redis_version)


_FORMAT = 2


class DataDir:
    """The folder at `path`, created if it is missing. Call `lock` before anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1
        self._runtime: tempfile.TemporaryDirectory[str] | None = None

    @property
    def redis(self) -> Path:
        """The server's working directory."""
        return self.path / "redis"

    def lock(self) -> None:
        """Creates the folders, private to this user, and locks them until `unlock` or the end of this process.

        Raises FailedPrecondition STORE_LOCKED naming the process that holds the lock.
        """
        for folder in (self.path, self.redis):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.redis.chmod(0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock = os.open(self.path / "lock", flags, OWNER_ONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            self.unlock()
            raise FailedPrecondition(
                f"{self.path} is in use by another egressd (process {other}): stop it or choose another --data-dir",
                reason="STORE_LOCKED",
                metadata={"data_dir": str(self.path), "pid": other},
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def unlock(self) -> None:
        """Lets another egressd use the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._runtime is not None:
            with contextlib.suppress(OSError):
                self._runtime.cleanup()
            self._runtime = None

    def socket(self) -> Path:
        """The path of the server's socket: in the folder, or in a private one below /tmp if that path is too long."""
        path = self.redis / "redis.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        if self._runtime is None:
            self._runtime = tempfile.TemporaryDirectory(prefix="egress-", dir="/tmp")  # short, and 0700
        return Path(self._runtime.name) / "redis.sock"

    def read(self) -> StoreFile | None:
        """store.json; None if the folder is new. Raises FailedPrecondition if it can't be understood."""
        path = self.path / "store.json"
        try:
            found = msgspec.json.decode(path.read_bytes(), type=StoreFile)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise self._incompatible(f"{path} can't be read: {error}") from None
        if found.format > _FORMAT:
            raise self._incompatible(f"{self.path} was written by a newer egressd (format {found.format})")
        return found

    def check_epoch(self, epoch: str | None) -> None:
        """Raises FailedPrecondition if the store that started is not the one that store.json remembers."""
        known = self.read()
        if known and known.epoch != epoch:
            found = f"holds another store ({epoch})" if epoch else "is empty"
            raise self._incompatible(
                f"{self.redis} should hold the store {known.epoch}, but it {found}: the data was lost or replaced. "
                f"Restore {self.redis} from a backup, or move {self.path} away to start with an empty store"
            )

    def write(self, epoch: str, release: Release) -> None:
        """Replaces store.json, durably."""
        version = ".".join(map(str, release.version))
        content = StoreFile(epoch, _FORMAT, release.product, version)
        replace_file(self.path / "store.json", msgspec.json.encode(content))

    def _incompatible(self, message: str) -> FailedPrecondition:
        return incompatible(message, data_dir=str(self.path))
