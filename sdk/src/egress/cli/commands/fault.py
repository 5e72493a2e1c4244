"""egressctl fault: time-limited delays and errors."""

from typing import Annotated

import typer

from egress import Fault, StringMatch
from egress.cli.support import help
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import (
    InNamespace,
    ListFlags,
    MutationFlags,
    OfNamespace,
    OnCluster,
    OnClusterLabel,
    YamlNamespace,
)
from egress.cli.support.output import table
from egress.cli.support.session import Session, command
from egress.cli.support.values import clusters, duration, length, moment, pairs

group = help.group("fault", "Inject faults: time-limited delays and errors.")

_COLUMNS = ("NAMESPACE", "NAME", "HOST", "DELAY", "ABORT", "PORTS", "EXPIRES", "CLUSTERS", "REVISION")

FaultName = Annotated[str, typer.Argument(metavar="FAULT", help="ID or full name of the fault.")]


@command(
    group,
    "inject",
    "egressctl fault inject www.aliyun.com --delay 5s --ttl 10m --wait applied",
    "egressctl fault inject www.aliyun.com -n shop --abort 503 --percent 50 --port 80 --header x-test=yes",
    "egressctl fault inject api.example.com --abort 503 --uri-prefix /orders --method POST",
    "egressctl fault inject grpc.example.com --abort UNAVAILABLE --source-label app=web --id drill",
    "egressctl fault inject -f aliyun-virtualservice.yaml --ttl 10m --dry-run",
)
def inject(
    session: Session,
    mutating: MutationFlags,
    host: Annotated[str, typer.Argument(help="Host whose requests get the fault; not with --file.")] = "",
    file: Annotated[
        typer.FileText | None,
        typer.Option(
            "--file",
            "-f",
            encoding="utf-8",
            help="YAML of an Istio VirtualService with faults; - reads standard input.",
        ),
    ] = None,
    delay: Annotated[
        float | None, typer.Option(parser=duration, metavar="duration", help="Delay of each request.")
    ] = None,
    abort: Annotated[
        str | None, typer.Option(metavar="status", help="HTTP status, or name of a gRPC status, that requests get.")
    ] = None,
    percent: Annotated[
        float | None, typer.Option(show_default="100", help="Percentage of requests that get the fault.")
    ] = None,
    port: Annotated[list[int] | None, typer.Option(metavar="port", help="Only this port of the host.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="key=value", help="Only requests with this header.")
    ] = None,
    uri: Annotated[str, typer.Option(metavar="path", help="Only requests with exactly this path.")] = "",
    uri_prefix: Annotated[str, typer.Option(metavar="path", help="Only requests whose path starts with this.")] = "",
    method: Annotated[str, typer.Option(help="Only requests with this method, such as POST.")] = "",
    authority: Annotated[str, typer.Option(metavar="host", help="Only requests with this Host header.")] = "",
    source_label: Annotated[
        list[str] | None, typer.Option(metavar="key=value", help="Only from workloads with this label.")
    ] = None,
    source_namespace: Annotated[str, typer.Option(help="Only from workloads of this namespace.")] = "",
    ttl: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="duration", show_default="10m", help="Time until the fault expires."),
    ] = None,
    id: Annotated[
        str,
        typer.Option(show_default="the name in the YAML, or derived from the host", help="ID of the fault."),
    ] = "",
    cluster: OnCluster = None,
    cluster_label: OnClusterLabel = None,
    namespace: YamlNamespace = "",
) -> None:
    """Delay requests to a host, or answer them with an error, until the fault expires."""
    if file is None and not (host and (delay is not None or abort)):
        raise typer.BadParameter("give HOST and --delay or --abort, or -f FILE")
    changed = session.client.inject_fault(
        host,
        yaml=file.read() if file else None,
        delay=delay,
        abort=abort,
        percent=percent,
        ports=port or (),
        headers=pairs(header or (), "--header"),
        uri=_uri(uri, uri_prefix),
        method=method or None,
        authority=authority or None,
        source_labels=pairs(source_label or (), "--source-label"),
        source_namespace=source_namespace,
        ttl=ttl,
        id=id,
        namespace=namespace,
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, changed, f"injected for {changed.fault.host} until {moment(changed.fault.expire_time)}")


@command(group, "get", "egressctl fault get www-aliyun-com", "egressctl fault get drill -n shop -o yaml")
def get(session: Session, fault: FaultName, namespace: InNamespace = "default") -> None:
    """Show a fault."""
    found = session.client.get_fault(fault, namespace=namespace)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl fault list", """egressctl fault list -n shop --filter 'host = "www.aliyun.com"'""")
def list_(
    session: Session,
    listing: ListFlags,
    namespace: OfNamespace = "-",
) -> None:
    """List the faults of all namespaces, or of one."""
    pager = session.client.list_faults(namespace=namespace, **listing.options())
    show_list(session, pager, lambda page: page.faults, listing.limit, _COLUMNS, _row)


@command(group, "clear", "egressctl fault clear www-aliyun-com --wait applied", "egressctl fault clear drill -n shop")
def clear(session: Session, mutating: MutationFlags, fault: FaultName, namespace: InNamespace = "default") -> None:
    """End a fault before it expires."""
    finish(session, mutating, session.client.clear_fault(fault, namespace=namespace, **mutating.options()), "cleared")


def _uri(exact: str, prefix: str) -> StringMatch | None:
    if exact and prefix:
        raise typer.BadParameter("give --uri or --uri-prefix, not both")
    if exact:
        return StringMatch(exact=exact)
    return StringMatch(prefix=prefix) if prefix else None


def _row(fault: Fault) -> tuple[str, ...]:
    *_, namespace, _, name = f"/////{fault.name}".split("/")
    delay = f"{length(fault.delay.fixed_delay)}{_share(fault.delay)}" if fault.HasField("delay") else ""
    abort = f"{fault.abort.grpc_status or fault.abort.http_status}{_share(fault.abort)}"
    return (
        namespace,
        name,
        fault.host,
        delay,
        abort if fault.HasField("abort") else "",
        ",".join(map(str, fault.ports)) or "all",
        moment(fault.expire_time),
        clusters(fault.cluster_selector),
        str(fault.revision),
    )


def _share(part: Fault.Delay | Fault.Abort) -> str:
    return f" ({part.percent:g}%)" if part.HasField("percent") and part.percent != 100 else ""
