"""The folder of an embedded store: one egressd at a time, and only the data that belongs there.

`store.json` remembers the store's epoch and the Redis that wrote it. Both guard against silent loss: a store whose
epoch is gone is not the one we wrote, and an older Redis over newer data starts empty without a word (6.2 does not
know the file layout of 7.0).
"""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

import msgspec

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.durable import replace_file
from egress_server.store.redis.checks import Version, parse_version

_SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path less its final zero (unix(7))."""


class StoreFile(msgspec.Struct):
    """The content of store.json."""

    format: int
    epoch: str
    redis_version: str


_FORMAT = 1


class DataDir:
    """The folder at `path`, made where it is missing. `lock` before anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = -1
        self._runtime: tempfile.TemporaryDirectory[str] | None = None

    @property
    def redis(self) -> Path:
        """Where redis-server keeps its files."""
        return self.path / "redis"

    def lock(self) -> None:
        """Makes the folders, closed to others, and takes the lock until `unlock` or our end, however it comes.

        Raises FailedPrecondition STORE_LOCKED naming the process that has it.
        """
        for folder in (self.path, self.redis):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.redis.chmod(0o700)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            self.unlock()
            raise FailedPrecondition(
                f"{self.path} is in use by another egressd (process {other}): stop it, or choose another --data-dir",
                reason="STORE_LOCKED",
                metadata={"data_dir": str(self.path), "pid": other},
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def unlock(self) -> None:
        """Lets another egressd have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        if self._runtime is not None:
            with contextlib.suppress(OSError):
                self._runtime.cleanup()
            self._runtime = None

    def socket(self) -> Path:
        """Where redis-server listens: in the folder, or in a short private one where that path is too long."""
        path = self.redis / "redis.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
            return path
        if self._runtime is None:
            self._runtime = tempfile.TemporaryDirectory(prefix="egress-", dir="/tmp")  # short, and 0700
        return Path(self._runtime.name) / "redis.sock"

    def read(self) -> StoreFile | None:
        """store.json; None where the folder is new. Raises FailedPrecondition where it can't be understood."""
        try:
            found = msgspec.json.decode((self.path / "store.json").read_bytes(), type=StoreFile)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise self._refused(f"{self.path / 'store.json'} can't be read: {error}") from None
        if found.format > _FORMAT:
            raise self._refused(f"{self.path} was written by a newer egressd (format {found.format})")
        return found

    def check_version(self, version: str) -> None:
        """Raises FailedPrecondition where the data was written by a newer Redis than `version`."""
        if (known := self.read()) and _series(parse_version(known.redis_version)) > _series(parse_version(version)):
            raise self._refused(
                f"the data in {self.path} was written by Redis {known.redis_version}; the redis-server found here is "
                f"{version} and would start empty: install {known.redis_version} or newer"
            )

    def check_epoch(self, epoch: str | None) -> None:
        """Raises FailedPrecondition where the store that started is not the one that store.json remembers."""
        known = self.read()
        if known and known.epoch != epoch:
            found = f"holds another store ({epoch})" if epoch else "came up empty"
            raise self._refused(
                f"{self.path} should hold the store {known.epoch}, but it {found}: its data was lost or exchanged. "
                f"Restore {self.redis} from a copy, or move {self.path} away to begin anew"
            )

    def write(self, epoch: str, version: str) -> None:
        """Makes store.json say so, durably."""
        replace_file(self.path / "store.json", msgspec.json.encode(StoreFile(_FORMAT, epoch, version)))

    def _refused(self, message: str) -> FailedPrecondition:
        return FailedPrecondition(message, reason="STORE_INCOMPATIBLE", metadata={"data_dir": str(self.path)})


def _series(version: Version) -> Version:
    """File layouts change between minor releases, never within one."""
    return version[:2]
