"""The commands of `egressd`.

What a command needs is imported when it is called: an agent runs in every workload and need not load the server.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from egress_server.cli.options import PlainCommand, takes
from egress_server.config import AgentSettings, ApplySettings, RunSettings, ServeSettings

app = typer.Typer(
    name="egressd",
    help="Control plane for outbound traffic of Istio meshes.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_RUN_EXAMPLES = """\b
Examples:
  egressd run
  egressd run --local-cluster local --resolve www.aliyun.com:80:127.0.0.1:8081
  egressd run --data-dir /var/lib/egress --grpc-address unix:/run/egress.sock
"""
_SERVE_EXAMPLES = """\b
Examples:
  egressd serve --redis-url redis://redis.egress-system:6379/0
  egressd serve --redis-url unix:///run/redis.sock \\
    --grpc-address unix:/run/egress/grpc.sock
"""
_APPLY_EXAMPLES = """\b
Examples:
  egressd apply --redis-url redis://redis.egress-system:6379/0 \\
    --data-dir /var/lib/egress
  egressd apply --redis-url rediss://redis.example.com:6380/0 \\
    --cluster c0 --in-cluster
  egressd apply --redis-url unix:///run/redis.sock \\
    --cluster c0 --kubeconfig ~/.kube/config --context prod
"""
_AGENT_EXAMPLES = """\b
Examples:
  egressd agent --server unix:/run/egress/grpc.sock --cluster c0
  egressd agent --server egressd.egress-system:9090 --cluster c0 \\
    --labels app=curl --labels version=v1
  EGRESSD_AGENT_SERVER=unix:/run/egress/grpc.sock EGRESSD_AGENT_CLUSTER=c0 \\
    egressd agent
"""


@app.command(cls=PlainCommand, epilog=_RUN_EXAMPLES)
@takes(RunSettings)
def run(settings: RunSettings) -> int:
    """Run store, API and applier in one process.

    It listens on loopback only.
    """
    from egress_server.cli.serve import run

    return run(settings)


@app.command(cls=PlainCommand, epilog=_SERVE_EXAMPLES)
@takes(ServeSettings)
def serve(settings: ServeSettings) -> int:
    """Serve the API only.

    Agents attach here; `egressd apply` reconciles the clusters.
    """
    from egress_server.cli.serve import serve

    return serve(settings)


@app.command(cls=PlainCommand, epilog=_APPLY_EXAMPLES)
@takes(ApplySettings)
def apply(settings: ApplySettings) -> int:
    """Reconcile clusters only.

    Faults end on time even if the store is unreachable.
    """
    from egress_server.cli.serve import apply

    return apply(settings)


@app.command(cls=PlainCommand, epilog=_AGENT_EXAMPLES)
@takes(AgentSettings)
def agent(settings: AgentSettings) -> int:
    """Make probe connections from a workload.

    Runs next to a sidecar: in its pod, or in its network namespace.
    """
    from egress_server.cli.agent import serve_agent

    return serve_agent(settings)


@app.command(cls=PlainCommand)
def demo(
    examples: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder with the document's YAML (default examples).", show_default=False),
    ] = Path("examples"),
    stay: Annotated[
        bool, typer.Option("--stay", metavar="", help="Start the demo environment on the default ports and keep it.")
    ] = False,
) -> None:
    """Play the source document's steps on real components."""
    from egress_server.cli.demo import demo as play

    raise typer.Exit(play(examples, stay=stay))


@app.command(cls=PlainCommand)
def doctor(
    data_dir: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Data directory to check (default .egress).", show_default=False),
    ] = Path(".egress"),
) -> None:
    """Check that this machine can run egressd."""
    from egress_server.cli.doctor import examine

    raise typer.Exit(0 if examine(data_dir) else 1)


@app.callback(invoke_without_command=True)
def _top(
    show_version: Annotated[
        bool, typer.Option("--version", metavar="", help="Show the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if show_version:
        typer.echo(f"egressd {version('egress-server')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the script."""
    app(prog_name="egressd")
