"""egressctl fault: requests that are delayed or fail, for a limited time."""

from typing import Annotated

import typer

from egress import Fault
from egress.cli.support.lists import page_size, show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import Listing, Mutating
from egress.cli.support.output import table
from egress.cli.support.selectors import clusters
from egress.cli.support.session import Session, command
from egress.cli.support.values import duration, length, moment, pairs

group = typer.Typer(name="fault", no_args_is_help=True, help="Faults: delays and errors with an end.")

_COLUMNS = ("NAMESPACE", "NAME", "HOST", "DELAY", "ABORT", "PORTS", "ENDS", "CLUSTERS", "REVISION")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id or full name of the fault.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the fault.")]


@command(
    group,
    "inject",
    "egressctl fault inject www.aliyun.com --delay 5s --ttl 10m --wait applied",
    "egressctl fault inject www.aliyun.com -n shop --abort 503 --percent 50 --port 80 --header x-test=yes",
    "egressctl fault inject grpc.example.com --abort UNAVAILABLE --source-label app=web --id drill",
    "egressctl fault inject -f aliyun-virtualservice.yaml --ttl 10m --dry-run",
)
def inject(
    session: Session,
    mutating: Mutating,
    host: Annotated[str, typer.Argument(help="Host whose requests are disturbed; left out with -f.")] = "",
    file: Annotated[
        typer.FileText | None,
        typer.Option(
            "--file",
            "-f",
            encoding="utf-8",
            help="One Istio VirtualService with faults in YAML; - reads standard input.",
        ),
    ] = None,
    delay: Annotated[
        float | None, typer.Option(parser=duration, metavar="DURATION", help="Requests wait this long.")
    ] = None,
    abort: Annotated[
        str | None, typer.Option(metavar="STATUS", help="Requests fail with an HTTP status, or a gRPC status by name.")
    ] = None,
    percent: Annotated[float | None, typer.Option(help="Share of the requests; 100 where left out.")] = None,
    port: Annotated[list[int] | None, typer.Option(help="Only this port of the host; may be repeated.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only requests with this header; may be repeated.")
    ] = None,
    source_label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only from workloads with this label.")
    ] = None,
    source_namespace: Annotated[str, typer.Option(help="Only from workloads of this namespace.")] = "",
    ttl: Annotated[
        float | None,
        typer.Option(parser=duration, metavar="DURATION", help="When it ends by itself; 10m where left out."),
    ] = None,
    id: Annotated[str, typer.Option(help="Id of the fault; else the YAML's name, or made of the host.")] = "",
    cluster: Annotated[list[str] | None, typer.Option(help="Only on this cluster; may be repeated.")] = None,
    cluster_label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on clusters with this label.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace; else the YAML's, else default.")] = "",
) -> None:
    """Delay requests to a host, or answer them with an error, until the fault's time is over."""
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
        source_labels=pairs(source_label or (), "--source-label"),
        source_namespace=source_namespace,
        ttl=ttl,
        id=id,
        namespace=namespace,
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, changed, f"disturbs {changed.fault.host} until {moment(changed.fault.expire_time)}")


@command(group, "get", "egressctl fault get www-aliyun-com", "egressctl fault get drill -n shop -o yaml")
def get(session: Session, fault: Id, namespace: Namespace = "default") -> None:
    """Show one fault."""
    found = session.client.get_fault(fault, namespace=namespace)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl fault list", """egressctl fault list -n shop --filter 'host = "www.aliyun.com"'""")
def list_(
    session: Session,
    listing: Listing,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only of this namespace.")] = "-",
) -> None:
    """List the faults of all namespaces, or of one."""
    pager = session.client.list_faults(
        namespace=namespace, filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.faults, listing.limit, _COLUMNS, _row)


@command(group, "clear", "egressctl fault clear www-aliyun-com --wait applied", "egressctl fault clear drill -n shop")
def clear(session: Session, mutating: Mutating, fault: Id, namespace: Namespace = "default") -> None:
    """End a fault before its time."""
    finish(session, mutating, session.client.clear_fault(fault, namespace=namespace, **mutating.options()), "cleared")


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
