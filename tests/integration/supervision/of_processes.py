"""The HTTP server of a process, and its child processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import uvicorn
from starlette.responses import PlainTextResponse

from egress_server.aio.tasks import Task
from egress_server.app.servers import HttpServer, WebServer
from egress_server.processes import ChildCommand, ChildProcess
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job
from tests.support.waiting import until


@SCENARIOS.add(Task.HTTP_SERVER, virtual=False)
async def http_server(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """Connections made meanwhile are served by the next server, at the same address."""

    class Broken(HttpServer):
        """Fails between requests."""

        async def on_tick(self, counter: int) -> bool:
            """See uvicorn."""
            fault.strike()
            return await super().on_tick(counter)

    def make(config: uvicorn.Config, started: asyncio.Event) -> HttpServer:
        return Broken(config, started)

    web = WebServer(PlainTextResponse("hello"), "127.0.0.1:0", 1.0, make)
    await web.start()

    async def works() -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.get(f"http://{web.address}/")).text == "hello"

    yield Job(works)
    await web.stop()


@SCENARIOS.add(Task.CHILD_PROCESS, virtual=False)
async def child_process(fault: Fault, folder: Path) -> AsyncIterator[Job]:
    """A child that exits is started again, until that succeeds."""
    log = folder / "child.log"

    async def ready() -> None:
        await until(lambda: log.exists() and "ready" in log.read_text())
        fault.strike()

    child = ChildProcess(ChildCommand("child", ("/bin/sh", "-c", "echo ready; exec sleep 1000"), log), ready=ready)
    await child.start()
    first = child.pid

    async def works() -> None:
        await until(lambda: child.pid not in (None, first))

    async def provoke() -> None:
        # The exit itself is a failure, so the failing restart is one more.
        assert first is not None
        os.kill(first, signal.SIGKILL)

    yield Job(works, provoke)
    await child.stop()
