"""The commands of `egressd`. Each flag is also an environment variable: EGRESSD_ (EGRESSD_AGENT_ for the agent) and the
flag's name.

What a command needs is imported when it is called: an agent runs once a workload, and need not carry the server.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from egress_server.config import AgentSettings, Settings

T = TypeVar("T", bound=BaseSettings)

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

_AGENT_EXAMPLES = """
[bold]Examples[/bold]

  egressd agent --server unix:/run/egress/grpc.sock --cluster c0

  egressd agent --server egressd.egress-system:9090 --cluster c0 --labels app=curl --labels version=v1

  EGRESSD_AGENT_SERVER=unix:/run/egress/grpc.sock EGRESSD_AGENT_CLUSTER=c0 egressd agent
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
    from egress_server.cli.serve import serve

    raise typer.Exit(serve(_settings(Settings, given)))


@app.command(epilog=_AGENT_EXAMPLES)
def agent(
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The server's gRPC, or unix:PATH. Must be given")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ID", help="The cluster that the workload belongs to. Must be given")
    ] = None,
    mesh: Annotated[str | None, typer.Option(metavar="ID", help="The cluster's mesh. Default: default")] = None,
    namespace: Annotated[str | None, typer.Option(help="The workload's. Default: as the sidecar says")] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="The workload's. Repeatable. Default: as the sidecar says"),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the agent is called. Default: the pod, as the sidecar says")
    ] = None,
    workload_cluster: Annotated[
        str | None, typer.Option(metavar="ID", help="Where the workload runs. Default: as the sidecar says")
    ] = None,
    envoy_admin: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The sidecar's admin interface. Default: 127.0.0.1:15000")
    ] = None,
    capture_port: Annotated[
        int | None, typer.Option(metavar="PORT", help="The mesh's proxyListenPort. Default: 15001")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error")] = None,
) -> None:
    """Make the connections that a server asks for, beside a sidecar: in a pod, or in its network namespace."""
    given: dict[str, Any] = {
        "server": server,
        "cluster": cluster,
        "mesh": mesh,
        "namespace": namespace,
        "labels": labels,
        "name": name,
        "workload_cluster": workload_cluster,
        "envoy_admin": envoy_admin,
        "capture_port": capture_port,
        "log_level": log_level,
    }
    from egress_server.cli.agent import serve_agent

    raise typer.Exit(serve_agent(_settings(AgentSettings, given)))


@app.command()
def demo(
    examples: Annotated[Path, typer.Option(help="The folder with the document's YAML")] = Path("examples"),
    stay: Annotated[bool, typer.Option("--stay", help="Only set the scene, on the default ports, and stay")] = False,
) -> None:
    """Play the story of the source document on real parts of this machine."""
    from egress_server.cli.demo import demo as play

    raise typer.Exit(play(examples, stay=stay))


@app.command()
def doctor(
    data_dir: Annotated[Path, typer.Option(help="The data directory to look at")] = Path(".egress"),
) -> None:
    """Say what this machine has and lacks for running egressd."""
    from egress_server.cli.doctor import examine

    raise typer.Exit(0 if examine(data_dir) else 1)


@app.callback(invoke_without_command=True)
def _top(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    if show_version:
        typer.echo(f"egressd {version('egress-server')}")
        raise typer.Exit


def _settings(kind: type[T], given: dict[str, Any]) -> T:
    """What was given, by flag or environment; ends the program where that is wrong."""
    try:
        return kind(**{name: value for name, value in given.items() if value is not None and value != []})
    except ValidationError as error:
        for problem in error.errors():
            flag = "--" + str(problem["loc"][0]).replace("_", "-") if problem["loc"] else ""
            why = "must be given" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
            typer.echo(f"egressd: {flag}: {why}", err=True)
        raise typer.Exit(2) from None


def main() -> None:
    """Entry point of the script."""
    app(prog_name="egressd")
