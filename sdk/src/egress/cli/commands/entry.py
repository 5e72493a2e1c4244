"""egressctl entry: external services that workloads may reach."""

from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration

from egress import ConnectionLimits, LoadBalancer, ServiceEntry, ServicePort, TcpKeepalive, TlsOrigination
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
from egress.cli.support.values import clusters, duration, moment, pairs

group = help.group("entry", "Manage service entries: external services in the registry.")

_COLUMNS = ("NAMESPACE", "NAME", "HOSTS", "PORTS", "RESOLUTION", "CLUSTERS", "REVISION", "UPDATED")

_TRAFFIC = "Traffic options"
_RESOLUTIONS = help.choices(ServiceEntry.Resolution.keys())
_LOCATIONS = help.choices(ServiceEntry.Location.keys())
_BALANCERS = help.choices(LoadBalancer.Simple.keys())

Entry = Annotated[str, typer.Argument(help="ID or full name of the entry.")]


@command(
    group,
    "upsert",
    "egressctl entry upsert aliyun --host www.aliyun.com --port 80:HTTP --port 443:HTTPS",
    "egressctl entry upsert -f aliyun-serviceentry.yaml -n shop --wait verified",
    "egressctl entry upsert db --host db.example.com --port 5432:TCP --address 192.0.2.7 --resolution STATIC "
    "--endpoint 192.0.2.7",
    "egressctl entry upsert api --host api.example.com --port 80:HTTP --request-timeout 5s --retries 3",
    "egressctl entry upsert db --host db.example.com --port 5432:TCP --idle-timeout 0s --tcp-keepalive 5m",
    "egressctl entry upsert bank --host bank.example.com --port 80:HTTP:http:443 --tls-origination 80 "
    "--tls-secret bank --tls-workload app=pay",
    "kubectl get serviceentry aliyun -o yaml | egressctl entry upsert -f - --dry-run",
)
def upsert(
    session: Session,
    mutating: MutationFlags,
    name: Annotated[str, typer.Argument(show_default="the name in the YAML", help="ID of the entry.")] = "",
    file: Annotated[
        typer.FileText | None,
        typer.Option("--file", "-f", encoding="utf-8", help="YAML of an Istio ServiceEntry; - reads standard input."),
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="DNS name, or *.suffix.")] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="number[:protocol[:name[:target]]]",
            help="Port, such as 80:HTTP; without a protocol the sidecar detects HTTP.",
        ),
    ] = None,
    resolution: Annotated[
        str,
        typer.Option(
            metavar="|".join(_RESOLUTIONS),
            autocompletion=lambda: _RESOLUTIONS,
            help="How the addresses of the hosts are resolved.",
        ),
    ] = "DNS",
    location: Annotated[
        str,
        typer.Option(
            metavar="|".join(_LOCATIONS),
            autocompletion=lambda: _LOCATIONS,
            help="Whether the service is outside or inside the mesh.",
        ),
    ] = "MESH_EXTERNAL",
    endpoint: Annotated[
        list[str] | None, typer.Option(metavar="address", help="Address that serves the hosts.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option(metavar="ip|cidr", help="Address that workloads connect to.")
    ] = None,
    export_to: Annotated[
        list[str] | None,
        typer.Option(metavar="namespace", help="Namespace that can see the entry; * for all, . its own, ~ none."),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(metavar="key=value", help="Label of workloads that serve the hosts, instead of --endpoint."),
    ] = None,
    subject_alt_name: Annotated[
        list[str] | None,
        typer.Option(metavar="name", help="Name that the service's certificate must have, for --tls-origination."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="key=value", help="Label of the object, such as istio.io/use-waypoint=egress."),
    ] = None,
    annotation: Annotated[list[str] | None, typer.Option(metavar="key=value", help="Annotation of the object.")] = None,
    request_timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="duration",
            help="Timeout of a request, retries included.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, help="Number of retries; 0 disables them.", rich_help_panel=_TRAFFIC)
    ] = None,
    tls_origination: Annotated[
        int,
        typer.Option(
            metavar="port",
            help="HTTP port for which the sidecar originates TLS, to the port's target port.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = 0,
    tls_secret: Annotated[
        str,
        typer.Option(
            metavar="name",
            help="Secret with the client certificate for --tls-origination; requires --tls-workload.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = "",
    tls_workload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="key=value",
            help="Label of the workloads for which TLS is originated, in the entry's namespace.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    max_connections: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of connections per sidecar.", rich_help_panel=_TRAFFIC)
    ] = None,
    max_requests: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of requests at a time per sidecar.", rich_help_panel=_TRAFFIC),
    ] = None,
    idle_timeout: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="duration",
            show_default="1h",
            help="How long a TCP connection may be idle; 0s for any time.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    tcp_keepalive: Annotated[
        float | None,
        typer.Option(
            parser=duration,
            metavar="duration",
            help="How long a connection is idle before keepalive probes are sent.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = None,
    load_balancer: Annotated[
        str,
        typer.Option(
            metavar="|".join(_BALANCERS),
            autocompletion=lambda: _BALANCERS,
            show_default="LEAST_REQUEST",
            help="Which address of the service is used.",
            rich_help_panel=_TRAFFIC,
        ),
    ] = "",
    outlier_errors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Consecutive server errors after which an address is ejected.", rich_help_panel=_TRAFFIC
        ),
    ] = None,
    cluster: OnCluster = None,
    cluster_label: OnClusterLabel = None,
    namespace: YamlNamespace = "",
) -> None:
    """Create or fully replace a service entry, from options or from the YAML of an Istio ServiceEntry."""
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
        workload_selector=pairs(workload or (), "--workload"),
        subject_alt_names=subject_alt_name or (),
        labels=pairs(label or (), "--label"),
        annotations=pairs(annotation or (), "--annotation"),
        request_timeout=request_timeout,
        retries=retries,
        tls_origination=_tls_origination(tls_origination, tls_secret, pairs(tls_workload or (), "--tls-workload")),
        connection_limits=_limits(max_connections, max_requests, idle_timeout, tcp_keepalive),
        outlier_detection=outlier_errors,
        load_balancer=load_balancer or None,
        namespace=namespace,
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, reply, f"set for {', '.join(reply.service_entry.hosts)}")


@command(group, "get", "egressctl entry get aliyun-com-ext -n shop", "egressctl entry get aliyun-com-ext -o yaml")
def get(session: Session, entry: Entry, namespace: InNamespace = "default") -> None:
    """Show a service entry."""
    found = session.client.get_service_entry(entry, namespace=namespace)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl entry list", """egressctl entry list -n shop --filter 'hosts:"www.aliyun.com"'""")
def list_(
    session: Session,
    listing: ListFlags,
    namespace: OfNamespace = "-",
) -> None:
    """List the service entries of all namespaces, or of one."""
    pager = session.client.list_service_entries(namespace=namespace, **listing.options())
    show_list(session, pager, lambda page: page.service_entries, listing.limit, _COLUMNS, _row)


@command(group, "delete", "egressctl entry delete aliyun-com-ext -n shop --wait applied")
def delete(session: Session, mutating: MutationFlags, entry: Entry, namespace: InNamespace = "default") -> None:
    """Delete a service entry."""
    reply = session.client.delete_service_entry(entry, namespace=namespace, **mutating.options())
    finish(session, mutating, reply, "deleted")


def _tls_origination(port: int, secret: str, labels: dict[str, str]) -> TlsOrigination | bool:
    if not port:
        if secret or labels:
            raise typer.BadParameter("--tls-secret and --tls-workload require --tls-origination")
        return False
    mode = TlsOrigination.MUTUAL if secret else TlsOrigination.MODE_UNSPECIFIED
    return TlsOrigination(port=port, mode=mode, credential_name=secret, match_labels=labels)


def _limits(
    connections: int | None, requests: int | None, idle: float | None, keepalive: float | None
) -> ConnectionLimits | None:
    limits = ConnectionLimits(max_connections=connections or 0, max_requests=requests or 0)
    if idle is not None:
        limits.idle_timeout.CopyFrom(_duration(idle))
    if keepalive is not None:
        limits.tcp_keepalive.CopyFrom(TcpKeepalive(time=_duration(keepalive)))
    return limits if limits.ByteSize() else None


def _duration(seconds: float) -> Duration:
    length = Duration()
    length.FromMilliseconds(round(seconds * 1000))
    return length


def _row(entry: ServiceEntry) -> tuple[str, ...]:
    *_, namespace, _, name = f"/////{entry.name}".split("/")
    return (
        namespace,
        name,
        ",".join(entry.hosts),
        ",".join(_port(port) for port in entry.ports),
        ServiceEntry.Resolution.Name(entry.resolution),
        clusters(entry.cluster_selector),
        str(entry.revision),
        moment(entry.update_time),
    )


def _port(port: ServicePort) -> str:
    return f"{port.number}:{ServicePort.Protocol.Name(port.protocol)}" if port.protocol else str(port.number)
