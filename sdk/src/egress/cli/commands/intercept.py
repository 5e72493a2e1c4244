"""egressctl intercept: which outbound connections are redirected to the sidecar."""

from typing import Annotated

import typer

from egress import Interception
from egress.cli.support import help
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import (
    ListFlags,
    MutationFlags,
    OnCluster,
    OnClusterLabel,
    ScopeLabel,
    ScopeNamespace,
)
from egress.cli.support.output import table
from egress.cli.support.session import Session, command
from egress.cli.support.values import clusters, moment, numbers, pairs, scope, short, words

group = help.group("intercept", "Manage interception: which outbound connections go through the sidecar.")

_COLUMNS = (
    "NAME", "INCLUDE", "EXCLUDE", "INCLUDE PORTS", "EXCLUDE PORTS", "SCOPE", "CLUSTERS", "REVISION", "UPDATED",
)  # fmt: skip

InterceptionName = Annotated[str, typer.Argument(metavar="INTERCEPTION", help="ID or full name of the interception.")]


@command(
    group,
    "set",
    "egressctl intercept set --include SERVICE_CIDRS,10.0.0.0/8",
    "egressctl intercept set -n shop --label app=web --include '*' --exclude 192.0.2.0/24 --exclude-ports 25,3306",
    "egressctl intercept set --none --include-ports 80,443 --dry-run",
)
def set_(
    session: Session,
    mutating: MutationFlags,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="cidr,...",
            help="Ranges that are intercepted; * for all, SERVICE_CIDRS for each cluster's own service ranges.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="cidr,...", help="Ranges that are not intercepted; takes precedence over --include."),
    ] = None,
    include_ports: Annotated[
        list[str] | None, typer.Option(metavar="port,...", help="Ports that are intercepted for all addresses.")
    ] = None,
    exclude_ports: Annotated[
        list[str] | None, typer.Option(metavar="port,...", help="Ports that are not intercepted for any address.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="Intercept only --include-ports.")] = False,
    namespace: ScopeNamespace = "",
    label: ScopeLabel = None,
    cluster: OnCluster = None,
    cluster_label: OnClusterLabel = None,
    id: Annotated[str, typer.Option(show_default="derived from its scope", help="ID of the interception.")] = "",
) -> None:
    """Create or fully replace an interception: which outbound connections go through the sidecar.

    Workloads read it when they start.
    """
    if not (include or exclude or include_ports or exclude_ports or none):
        raise typer.BadParameter("give --include, --exclude, --include-ports, --exclude-ports or --none")
    changed = session.client.set_interception_cidrs(
        words(include or ()),
        exclude=words(exclude or ()),
        include_ports=numbers(include_ports or (), "--include-ports"),
        exclude_ports=numbers(exclude_ports or (), "--exclude-ports"),
        none=none,
        id=id,
        namespace=namespace,
        match_labels=pairs(label or (), "--label"),
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, changed, f"set to include {_included(changed.interception)}")


@command(group, "get", "egressctl intercept get", "egressctl intercept get shop -o json")
def get(session: Session, interception: InterceptionName = "default") -> None:
    """Show an interception."""
    found = session.client.get_interception(interception)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl intercept list", """egressctl intercept list --filter 'scope.namespace = "shop"'""")
def list_(session: Session, listing: ListFlags) -> None:
    """List the interceptions of the mesh."""
    pager = session.client.list_interceptions(**listing.options())
    show_list(session, pager, lambda page: page.interceptions, listing.limit, _COLUMNS, _row)


@command(group, "delete", "egressctl intercept delete default --wait applied")
def delete(session: Session, mutating: MutationFlags, interception: InterceptionName) -> None:
    """Delete an interception; the next-ranked one then applies, or everything is intercepted."""
    finish(session, mutating, session.client.delete_interception(interception, **mutating.options()), "deleted")


def _included(interception: Interception) -> str:
    if interception.none:
        return "none"
    own = ["SERVICE_CIDRS"] if interception.include_service_cidrs else []
    return ",".join([*own, *interception.include_cidrs]) or "*"


def _row(interception: Interception) -> tuple[str, ...]:
    return (
        short(interception.name),
        _included(interception),
        ",".join(interception.exclude_cidrs),
        ",".join(map(str, interception.include_outbound_ports)),
        ",".join(map(str, interception.exclude_outbound_ports)),
        scope(interception.scope),
        clusters(interception.cluster_selector),
        str(interception.revision),
        moment(interception.update_time),
    )
