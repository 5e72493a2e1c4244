"""A server of our own for one machine: nothing to install and nothing to configure.

It listens on a unix socket in a private folder and nowhere else, flushes every write to disk, dies with egressd, and
is restarted if it is killed.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from egress_server.processes import ChildCommand, ChildFailed, ChildProcess
from egress_server.store.embedded.binaries import ServerBinary, choose_server, installed_servers
from egress_server.store.embedded.data_dir import DataDir
from egress_server.store.redis.address import Address
from egress_server.store.redis.checks import REQUIRED, check_server, ensure_epoch, find_epoch, incompatible
from egress_server.store.redis.connection import RedisConnection
from egress_server.store.redis.protocol import ConnectionLost, RedisProtocol, ReplyError

_log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.02
_LOAD_SECONDS = 120.0
"""Time for the server to load its files (about 1 GB in 10 s)."""
_ORPHAN_SECONDS = 10.0


class EmbeddedServer:
    """The server over `data_dir`, running between `start` and `stop`; it is the first fit one of `servers`."""

    def __init__(self, data_dir: Path, mesh: str, servers: Callable[[], Iterable[Path]] = installed_servers) -> None:
        self._dir = DataDir(data_dir)
        self._mesh = mesh
        self._servers = servers
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id; None while it is down."""
        return self._child.pid if self._child else None

    async def start(self) -> Address:
        """Returns the server's address once it serves the store that was here before, or a new one.

        Raises FailedPrecondition if another egressd uses the folder, if no installed server will do, or if the data is
        lost, belongs to another store or was written by a newer server; the text says what to do.
        """
        self._dir.lock()
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shuts the server down and unlocks the folder."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
        self._dir.unlock()

    async def _start(self) -> Address:
        known = self._dir.read()
        server = await choose_server(self._servers(), known.release if known else None)
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
            raise incompatible(str(error)) from None
        self._child = child
        await self._claim(address, server)
        return address

    def _command(self, server: ServerBinary, socket: str) -> ChildCommand:
        settings = {"port": "0", "unixsocket": socket, "unixsocketperm": "700", "save": "", **REQUIRED}
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        argv = [str(server.path), *options, "--dir", str(self._dir.redis)]
        return ChildCommand(server.path.name, argv, self._dir.path / "redis.log")

    async def _claim(self, address: Address, server: ServerBinary) -> None:
        """Checks that this is the store that store.json remembers; a new one is remembered from here on."""
        connection = RedisConnection(address)
        await connection.start()
        try:
            await check_server(connection)
            self._dir.check_epoch(await find_epoch(connection, self._mesh))
            self._dir.write(await ensure_epoch(connection, self._mesh), server.release)
        finally:
            await connection.close()


async def _ping(address: Address, *command: str) -> bool:
    """Sends one command; False if nothing listens there. Raises ReplyError, ConnectionLost."""
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
    """Returns once the server answers, which it does not while it loads its files."""
    while True:
        try:
            if await _ping(address, "PING"):
                return
        except (ConnectionLost, ReplyError):
            pass
        await asyncio.sleep(_POLL_SECONDS)


async def _end_orphan(address: Address) -> None:
    """Shuts down a server that outlived its egressd before another one opens its files.

    Only an egressd can have started it: the folder is private, and this one holds its lock. Raises FailedPrecondition.
    """
    give_up = asyncio.get_running_loop().time() + _ORPHAN_SECONDS
    while asyncio.get_running_loop().time() < give_up:
        try:
            if not await _ping(address, "SHUTDOWN"):
                return
        except ConnectionLost:
            pass  # it is shutting down
        except ReplyError as error:
            _log.warning("store_orphan_shutdown_failed", error=str(error))
        await asyncio.sleep(_POLL_SECONDS)
    raise incompatible(f"a server left over from another egressd listens on {address} and does not shut down: stop it")
