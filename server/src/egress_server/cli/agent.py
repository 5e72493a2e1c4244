"""Runs the agent of a workload until a signal."""

import asyncio
import signal

import typer
import uvloop

from egress_server.agents.agent.main import run_agent
from egress_server.aio.waiting import until_stopped
from egress_server.config import AgentSettings
from egress_server.telemetry.logs import configure_logs


def serve_agent(settings: AgentSettings) -> int:
    """Serves until SIGINT or SIGTERM; the exit code: 0 after a stop, 1 if this machine can't run it."""
    configure_logs(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except OSError as error:
        typer.echo(f"egressd: {error}", err=True)
        return 1
    return 0


async def _serve(settings: AgentSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await until_stopped(stop, run_agent(settings))
