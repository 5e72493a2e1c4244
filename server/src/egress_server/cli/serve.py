"""Runs the app on an event loop until a signal, and says in words why it could not start."""

import asyncio
import gc
import signal
import sys

import typer
import uvloop

from egress_server.app import Addresses, run
from egress_server.config import Settings
from egress_server.domain.errors import EgressError
from egress_server.telemetry.logs import configure_logs


def serve(settings: Settings) -> int:
    """Serves until SIGINT or SIGTERM; the exit code: 0 after a stop, 1 where it could not start."""
    configure_logs(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except (EgressError, OSError) as error:
        typer.echo(f"egressd: {error}", err=True)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop, _announce)


def _announce(addresses: Addresses) -> None:
    # What was made at start lives as long as the process: later collections need not look at it.
    gc.collect()
    gc.freeze()
    print(f"egressd is ready: grpc {addresses.grpc}, http {addresses.http}", flush=True)
    if not sys.stdout.isatty():
        return
    print(f"  docs     http://{addresses.http}/docs\n  stop     Ctrl-C", flush=True)
