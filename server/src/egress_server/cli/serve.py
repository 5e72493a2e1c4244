"""Runs a process of the server until a signal, and prints the reason if it can't start."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import typer
import uvloop

from egress_server.app import apply as apply_process
from egress_server.app import run as run_process
from egress_server.app import serve as serve_process
from egress_server.app.servers import Addresses
from egress_server.config import ApplySettings, RunSettings, ServeSettings
from egress_server.domain.model.errors import EgressError
from egress_server.telemetry.logs import configure_logs


def run(settings: RunSettings) -> int:
    """All in one; returns the exit code, see `_until_signal`."""
    return _until_signal(settings.log_level, lambda stop: run_process.run(settings, stop, _announce))


def serve(settings: ServeSettings) -> int:
    """The API; returns the exit code, see `_until_signal`."""
    return _until_signal(settings.log_level, lambda stop: serve_process.serve(settings, stop, _announce))


def apply(settings: ApplySettings) -> int:
    """The applier; returns the exit code, see `_until_signal`."""
    return _until_signal(settings.log_level, lambda stop: apply_process.apply(settings, stop, _announce_applier))


def _until_signal(log_level: str, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Works until SIGINT or SIGTERM; the exit code: 0 after a stop, 1 if it could not start."""
    configure_logs(log_level)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except (EgressError, OSError) as error:
        typer.echo(f"egressd: {error}", err=True)
        return 1
    return 0


def _announce(addresses: Addresses) -> None:
    # Objects created at start live as long as the process: later collections need not visit them.
    gc.collect()
    gc.freeze()
    print(f"egressd is ready: grpc {addresses.grpc}, http {addresses.http}", flush=True)
    if not sys.stdout.isatty() or addresses.http.startswith("unix:"):
        return
    print(f"  docs     http://{addresses.http}/docs\n  stop     Ctrl-C", flush=True)


def _announce_applier(address: str) -> None:
    print(f"egressd applies: http {address}", flush=True)
