"""`egressd demo`: plays the document's steps, or starts their environment and keeps it running."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import typer

from egress_server.demo.environment import CLUSTER, HOST, demo_environment
from egress_server.demo.player import WrongAnswer, play
from egress_server.processes import ChildFailed
from egress_server.telemetry.logs import configure_logs

_DATA_DIR = Path(".egress")
_ADDRESSES = ("127.0.0.1:9090", "127.0.0.1:8080")


def demo(examples: Path, *, stay: bool) -> int:
    """The exit code: 0 if every answer was right, 1 at the first wrong one."""
    configure_logs("warning")
    real = os.environ.get("DEMO_REAL") == "1"
    try:
        if stay:
            _DATA_DIR.mkdir(mode=0o700, exist_ok=True)
            asyncio.run(_stay(_DATA_DIR, real=real))
        else:
            asyncio.run(_play(examples, real=real))
    except (WrongAnswer, ChildFailed, OSError) as error:
        typer.secho(f"✘ {error}", fg="red", err=True)
        return 1
    return 0


async def _play(examples: Path, *, real: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="egress-demo-") as folder:
        async with demo_environment(Path(folder), real=real) as environment:
            _introduce(real=real)
            await play(environment, examples)
    typer.secho("\nAll answers match the document.", bold=True)


async def _stay(folder: Path, *, real: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with demo_environment(folder, real=real, addresses=_ADDRESSES) as environment:
        _introduce(real=real)
        typer.echo(f"gRPC: {environment.grpc}")
        typer.echo(f"REST: http://{environment.http}/docs")
        typer.echo(f"log:  {environment.log}")
        typer.echo("Press Ctrl-C to stop.")
        await stop.wait()


def _introduce(*, real: bool) -> None:
    typer.echo(f"Started a server with an embedded Redis, and one local cluster ({CLUSTER}): an Envoy and its agent.")
    site = "the real site" if real else "a local stand-in (set DEMO_REAL=1 to use the real site)"
    typer.echo(f"{HOST} is {site}.")
