"""The commands of `egressd`. Each flag is also an environment variable: EGRESSD_ (EGRESSD_AGENT_ for the agent) and the
flag's name.

What a command needs is imported when it is called: an agent runs once a workload, and need not carry the server.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from egress_server.cli.options import (
    CorsOrigin,
    CredentialsKeyFile,
    DirectoryRoot,
    DrainSeconds,
    GrpcAddress,
    HttpAddress,
    LogLevel,
    OtlpEndpoint,
    SharedRedis,
    TraceRatio,
    settings_of,
)
from egress_server.config import AgentSettings, ApplySettings, RunSettings, ServeSettings

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

_SERVE_EXAMPLES = """
[bold]Examples[/bold]

  egressd serve --redis-url redis://redis.egress-system:6379/0

  egressd serve --redis-url unix:///run/redis.sock --grpc-address unix:/run/egress/grpc.sock
"""

_APPLY_EXAMPLES = """
[bold]Examples[/bold]

  egressd apply --redis-url redis://redis.egress-system:6379/0 --data-dir /var/lib/egress

  egressd apply --redis-url rediss://redis.example.com:6380/0 --cluster c0 --in-cluster

  egressd apply --redis-url unix:///run/redis.sock --cluster c0 --kubeconfig ~/.kube/config --context prod
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
    grpc_address: GrpcAddress = None,
    http_address: HttpAddress = None,
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
    directory_root: DirectoryRoot = None,
    credentials_key_file: CredentialsKeyFile = None,
    log_level: LogLevel = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
    cors_origin: CorsOrigin = None,
    drain_seconds: DrainSeconds = None,
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
    from egress_server.cli.serve import run

    raise typer.Exit(run(settings_of(RunSettings, given)))


@app.command(epilog=_SERVE_EXAMPLES)
def serve(
    redis_url: SharedRedis = None,
    grpc_address: GrpcAddress = None,
    http_address: HttpAddress = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the key is kept. Default: ./.egress")] = None,
    credentials_key_file: CredentialsKeyFile = None,
    log_level: LogLevel = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
    cors_origin: CorsOrigin = None,
    drain_seconds: DrainSeconds = None,
) -> None:
    """Serve the API only: agents attach here, and `egressd apply` drives the clusters."""
    given: dict[str, Any] = {
        "redis_url": redis_url,
        "grpc_address": grpc_address,
        "http_address": http_address,
        "data_dir": data_dir,
        "credentials_key_file": credentials_key_file,
        "log_level": log_level,
        "otlp_endpoint": otlp_endpoint,
        "trace_ratio": trace_ratio,
        "cors_origins": cors_origin,
        "drain_seconds": drain_seconds,
    }
    from egress_server.cli.serve import serve

    raise typer.Exit(serve(settings_of(ServeSettings, given)))


@app.command(name="apply", epilog=_APPLY_EXAMPLES)
def apply_(
    redis_url: SharedRedis = None,
    cluster: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Drive only this one. Repeatable. Default: all in reach")
    ] = None,
    in_cluster: Annotated[
        bool | None, typer.Option("--in-cluster", help="The one --cluster is that of our own pod")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="How the one --cluster is reached, whatever is registered")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Of --kubeconfig. Default: its current one")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the clusters are remembered. Default: ./.egress")] = None,
    directory_root: DirectoryRoot = None,
    credentials_key_file: CredentialsKeyFile = None,
    metrics_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Health and metrics. Default: 127.0.0.1:8081")
    ] = None,
    log_level: LogLevel = None,
    otlp_endpoint: OtlpEndpoint = None,
    trace_ratio: TraceRatio = None,
) -> None:
    """Drive clusters only: bring them to what the API was told, and end faults on time even without the store."""
    given: dict[str, Any] = {
        "redis_url": redis_url,
        "clusters": cluster,
        "in_cluster": in_cluster,
        "kubeconfig": kubeconfig,
        "context": context,
        "data_dir": data_dir,
        "directory_root": directory_root,
        "credentials_key_file": credentials_key_file,
        "metrics_address": metrics_address,
        "log_level": log_level,
        "otlp_endpoint": otlp_endpoint,
        "trace_ratio": trace_ratio,
    }
    from egress_server.cli.serve import apply

    raise typer.Exit(apply(settings_of(ApplySettings, given)))


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

    raise typer.Exit(serve_agent(settings_of(AgentSettings, given)))


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


def main() -> None:
    """Entry point of the script."""
    app(prog_name="egressd")
