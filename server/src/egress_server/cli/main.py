"""The commands of `egressd`. Each flag is also an environment variable, EGRESSD_ and the flag's name."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from egress_server.cli.demo import demo as play
from egress_server.cli.doctor import examine
from egress_server.cli.serve import serve
from egress_server.config import Settings

app = typer.Typer(
    name="egressd",
    help="The control plane of mesh egress: one API for what workloads of a mesh may say to the outside world.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_RUN_EXAMPLES = """
[bold]Examples[/bold]

  egressd run

  egressd run --local-cluster local --resolve www.aliyun.com:80:127.0.0.1:8081

  egressd run --data-dir /var/lib/egress --grpc-address unix:/run/egress.sock
"""


@app.command(epilog=_RUN_EXAMPLES)
def run(
    data_dir: Annotated[Path | None, typer.Option(help="Where state is kept. Default: ./.egress")] = None,
    grpc_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Or unix:PATH. Default: 127.0.0.1:9090")
    ] = None,
    http_address: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Default: 127.0.0.1:8080")] = None,
    redis_url: Annotated[str | None, typer.Option(help="An external Redis. Default: an embedded one")] = None,
    local_cluster: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Add a local Envoy cluster and its agent. Repeatable")
    ] = None,
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT:ADDRESS[:PORT2]",
            help="In local clusters, HOST:PORT is at ADDRESS (and PORT2). Repeatable",
        ),
    ] = None,
    directory_root: Annotated[
        Path | None, typer.Option(help="Folder below which directory clusters may live. Default: none may")
    ] = None,
    credentials_key_file: Annotated[
        Path | None,
        typer.Option(help="Key that clusters' credentials are sealed with. Default: credentials.key in the data-dir"),
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error")] = None,
    otlp_endpoint: Annotated[str | None, typer.Option(help="Where traces go, by OTLP over HTTP")] = None,
    trace_ratio: Annotated[float | None, typer.Option(help="Share of calls to trace. Default: 0.1")] = None,
    cors_origin: Annotated[list[str] | None, typer.Option(help="Web origin that may call. Repeatable")] = None,
    drain_seconds: Annotated[float | None, typer.Option(help="How long a stop waits for calls. Default: 10")] = None,
) -> None:
    """Run everything in one process: store, API, appliers; on loopback only."""
    given: dict[str, Any] = {
        "data_dir": data_dir,
        "grpc_address": grpc_address,
        "http_address": http_address,
        "redis_url": redis_url,
        "local_clusters": local_cluster,
        "resolve": resolve,
        "directory_root": directory_root,
        "credentials_key_file": credentials_key_file,
        "log_level": log_level,
        "otlp_endpoint": otlp_endpoint,
        "trace_ratio": trace_ratio,
        "cors_origins": cors_origin,
        "drain_seconds": drain_seconds,
    }
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None and value != []})
    except ValidationError as error:
        for problem in error.errors():
            flag = "--" + str(problem["loc"][0]).replace("_", "-") if problem["loc"] else ""
            typer.echo(f"egressd: {flag}: {problem['msg'].removeprefix('Value error, ')}", err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(serve(settings))


@app.command()
def demo(
    examples: Annotated[Path, typer.Option(help="The folder with the document's YAML")] = Path("examples"),
    stay: Annotated[bool, typer.Option("--stay", help="Only set the scene, on the default ports, and stay")] = False,
) -> None:
    """Play the story of the source document on real parts of this machine."""
    raise typer.Exit(play(examples, stay=stay))


@app.command()
def doctor(
    data_dir: Annotated[Path, typer.Option(help="The data directory to look at")] = Path(".egress"),
) -> None:
    """Say what this machine has and lacks for running egressd."""
    raise typer.Exit(0 if examine(data_dir) else 1)


@app.callback(invoke_without_command=True)
def _top(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    if show_version:
        typer.echo(f"egressd {version('egress-server')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the script."""
    app(prog_name="egressd")
