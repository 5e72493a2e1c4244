"""`egressd demo`: plays the document's story, or sets its scene and stays."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import typer

from egress_server.demo.outside import HOST
from egress_server.demo.scene import CLUSTER, play
from egress_server.demo.telling import WrongAnswer, tell
from egress_server.processes import ChildFailed
from egress_server.telemetry.logs import configure_logs

_HOME = Path(".egress")
_ADDRESSES = ("127.0.0.1:9090", "127.0.0.1:8080")


def demo(examples: Path, *, stay: bool) -> int:
    """The exit code: 0 where every answer was right, 1 at the first wrong one."""
    configure_logs("warning")
    real = os.environ.get("DEMO_REAL") == "1"
    try:
        if stay:
            _HOME.mkdir(mode=0o700, exist_ok=True)
            asyncio.run(_stay(_HOME, real=real))
        else:
            asyncio.run(_tell(examples, real=real))
    except (WrongAnswer, ChildFailed, OSError) as error:
        typer.secho(f"✘ {error}", fg="red", err=True)
        return 1
    return 0


async def _tell(examples: Path, *, real: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="egress-demo-") as folder:
        async with play(Path(folder), real=real) as scene:
            _introduce(real=real)
            await tell(scene, examples)
    typer.secho("\nEvery answer was the document's.", bold=True)


async def _stay(folder: Path, *, real: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with play(folder, real=real, addresses=_ADDRESSES) as scene:
        _introduce(real=real)
        typer.echo(f"gRPC {scene.grpc}, REST http://{scene.http}/docs, log {scene.log}. Ctrl-C ends it.")
        await stop.wait()


def _introduce(*, real: bool) -> None:
    outside = "the real one" if real else "a stand-in on loopback"
    typer.echo(f"A server with its own Redis, one local cluster ({CLUSTER}: a real Envoy) and its agent are running.")
    typer.echo(f"{HOST} is {outside}" + ("." if real else "; DEMO_REAL=1 asks the real one."))
