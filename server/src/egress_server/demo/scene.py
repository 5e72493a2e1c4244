"""What the story plays on: the stand-ins, and an egressd of its own with one local cluster."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from egress_server.demo.outside import Outside
from egress_server.processes import ChildCommand, ChildProcess

CLUSTER = "local"
_READY = re.compile(r"^egressd is ready: grpc (\S+), http (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the story's egressd serves, and its log."""

    grpc: str
    http: str
    log: Path


@asynccontextmanager
async def play(folder: Path, *, real: bool, addresses: tuple[str, str] | None = None) -> AsyncIterator[Scene]:
    """Everything running, with state in `folder` (which exists). `real` asks the real host instead of a stand-in;
    `addresses` are those of gRPC and HTTP, free ones where not given. Raises ChildFailed where egressd does not start.
    """
    grpc, http = addresses or ("127.0.0.1:0", "127.0.0.1:0")
    async with Outside(folder) as outside:
        argv = [sys.executable, "-m", "egress_server", "run", "--data-dir", str(folder), "--local-cluster", CLUSTER]
        argv += ["--grpc-address", grpc, "--http-address", http]
        for resolve in () if real else outside.resolve:
            argv += ["--resolve", resolve]
        log = folder / "egressd.log"
        log.unlink(missing_ok=True)
        server = ChildProcess(ChildCommand("egressd", argv, log), ready=lambda: _ready(log), ready_timeout=60, grace=20)
        await server.start()
        try:
            found = _READY.search(log.read_text())
            assert found is not None
            yield Scene(found[1], found[2], log)
        finally:
            await server.stop()


async def _ready(log: Path) -> None:
    """Polls: the log of another process tells nobody when it grows."""
    while not _READY.search(await asyncio.to_thread(log.read_text)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
