"""egressctl entry: external services that workloads may reach."""

from typing import Annotated

import typer

from egress import ServiceEntry, ServicePort
from egress.cli.support.lists import page_size, show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import Listing, Mutating
from egress.cli.support.output import table
from egress.cli.support.selectors import clusters
from egress.cli.support.session import Session, command
from egress.cli.support.values import duration, moment, pairs

group = typer.Typer(name="entry", no_args_is_help=True, help="Service entries: external services in the registry.")

_COLUMNS = ("NAMESPACE", "NAME", "HOSTS", "PORTS", "RESOLUTION", "CLUSTERS", "REVISION", "UPDATED")

_TRAFFIC = "How traffic is treated"

Entry = Annotated[str, typer.Argument(help="Id or full name of the entry.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the entry.")]


@command(
    group,
    "upsert",
    "egressctl entry upsert aliyun --host www.aliyun.com --port 80:HTTP --port 443:HTTPS",
    "egressctl entry upsert -f aliyun-serviceentry.yaml -n shop --wait verified",
    "egressctl entry upsert db --host db.example.com --port 5432:TCP --address 192.0.2.7 --resolution STATIC "
    "--endpoint 192.0.2.7",
    "egressctl entry upsert api --host api.example.com --port 80:HTTP --request-timeout 5s --retries 3",
    "kubectl get serviceentry aliyun -o yaml | egressctl entry upsert -f - --dry-run",
)
def upsert(
    session: Session,
    mutating: Mutating,
    name: Annotated[str, typer.Argument(help="Id of the entry; with -f the YAML's name where left out.")] = "",
    file: Annotated[
        typer.FileText | None,
        typer.Option("--file", "-f", encoding="utf-8", help="One Istio ServiceEntry in YAML; - reads standard input."),
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="DNS name, or *.suffix; may be repeated.")] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER:PROTOCOL[:NAME[:TARGET]]", help="Port, such as 80:HTTP; may be repeated."),
    ] = None,
    resolution: Annotated[
        str, typer.Option(help="How addresses are found.", autocompletion=lambda: ServiceEntry.Resolution.keys()[1:])
    ] = "DNS",
    location: Annotated[
        str,
        typer.Option(help="Outside the mesh or inside.", autocompletion=lambda: ServiceEntry.Location.keys()[1:]),
    ] = "MESH_EXTERNAL",
    endpoint: Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="Where it is served.")] = None,
    address: Annotated[list[str] | None, typer.Option(help="IP or CIDR that workloads dial.")] = None,
    export_to: Annotated[
        list[str] | None, typer.Option(help="Namespace that sees it; * for all, . for its own.")
    ] = None,
    request_timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="How long a request may take.", rich_help_panel=_TRAFFIC
        ),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, help="Tries beyond the first; 0 for none at all.", rich_help_panel=_TRAFFIC)
    ] = None,
    tls_origination: Annotated[
        int,
        typer.Option(
            metavar="PORT",
            show_default=False,
            help="The sidecar speaks TLS for this HTTP port; its target port is where.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = 0,
    max_connections: Annotated[
        int | None, typer.Option(min=1, help="Open connections at once, for each sidecar.", rich_help_panel=_TRAFFIC)
    ] = None,
    outlier_errors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Server errors in a row that take an address out for a while.", rich_help_panel=_TRAFFIC
        ),
    ] = None,
    cluster: Annotated[list[str] | None, typer.Option(help="Only on this cluster; may be repeated.")] = None,
    cluster_label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on clusters with this label.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace; else the YAML's, else default.")] = "",
) -> None:
    """Create a service entry, or replace one wholly: from options, or from Istio's own YAML."""
    if file is None and not (name and host and port):
        raise typer.BadParameter("give NAME, --host and --port, or -f FILE")
    reply = session.client.upsert_service_entry(
        name,
        yaml=file.read() if file else None,
        hosts=host or (),
        ports=port or (),
        resolution=resolution,
        location=location,
        endpoints=endpoint or (),
        addresses=address or (),
        export_to=export_to or (),
        request_timeout=request_timeout,
        retries=retries,
        tls_origination=tls_origination,
        connection_limits=max_connections,
        outlier_detection=outlier_errors,
        namespace=namespace,
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, reply, f"set for {', '.join(reply.service_entry.hosts)}")


@command(group, "get", "egressctl entry get aliyun-com-ext -n shop", "egressctl entry get aliyun-com-ext -o yaml")
def get(session: Session, entry: Entry, namespace: Namespace = "default") -> None:
    """Show one entry."""
    found = session.client.get_service_entry(entry, namespace=namespace)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl entry list", """egressctl entry list -n shop --filter 'hosts:"www.aliyun.com"'""")
def list_(
    session: Session,
    listing: Listing,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Only of this namespace.")] = "-",
) -> None:
    """List the entries of all namespaces, or of one."""
    pager = session.client.list_service_entries(
        namespace=namespace,
        filter=listing.filter,
        order_by=listing.order_by,
        page_size=page_size(listing.limit),
    )
    show_list(session, pager, lambda page: page.service_entries, listing.limit, _COLUMNS, _row)


@command(group, "delete", "egressctl entry delete aliyun-com-ext -n shop --wait applied")
def delete(session: Session, mutating: Mutating, entry: Entry, namespace: Namespace = "default") -> None:
    """Delete an entry."""
    reply = session.client.delete_service_entry(entry, namespace=namespace, **mutating.options())
    finish(session, mutating, reply, "deleted")


def _row(entry: ServiceEntry) -> tuple[str, ...]:
    *_, namespace, _, name = f"/////{entry.name}".split("/")
    return (
        namespace,
        name,
        ",".join(entry.hosts),
        ",".join(f"{port.number}:{ServicePort.Protocol.Name(port.protocol)}" for port in entry.ports),
        ServiceEntry.Resolution.Name(entry.resolution),
        clusters(entry.cluster_selector),
        str(entry.revision),
        moment(entry.update_time),
    )
