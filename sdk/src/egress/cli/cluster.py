"""egressctl cluster: where policy is applied."""

from typing import Annotated, Literal

import typer

from egress import Cluster
from egress.cli._lists import page_size, show_list
from egress.cli._mutations import finish
from egress.cli._options import Listing, Mutating
from egress.cli._output import table
from egress.cli._session import Session, command
from egress.cli._values import joined, moment, pairs, short

group = typer.Typer(name="cluster", no_args_is_help=True, help="Clusters: where policy is applied.")

_COLUMNS = ("NAME", "TARGET", "STATE", "APPLIED", "VERIFIED", "AGENTS", "LAST SEEN", "LABELS")


@command(group, "register", "egressctl cluster register local --target local --label env=test")
def register(
    session: Session,
    mutating: Mutating,
    name: Annotated[str, typer.Argument(help="Id of the cluster.")],
    target: Annotated[Literal["local"], typer.Option(help="How it is driven: local is an Envoy beside the server.")],
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label for cluster selectors; may be repeated.")
    ] = None,
) -> None:
    """Register a cluster, or replace its registration."""
    reply = session.client.register_cluster(
        name, target=target, labels=pairs(label or (), "--label"), **mutating.options()
    )
    finish(session, mutating, reply, "registered")


@command(group, "get", "egressctl cluster get local")
def get(session: Session, cluster: Annotated[str, typer.Argument(help="Id or full name of the cluster.")]) -> None:
    """Show one cluster."""
    found = session.client.get_cluster(cluster)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl cluster list", """egressctl cluster list --filter 'labels.env = "prod"'""")
def list_(session: Session, listing: Listing) -> None:
    """List the mesh's clusters."""
    pager = session.client.list_clusters(
        filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.clusters, listing.limit, _COLUMNS, _row)


def _row(cluster: Cluster) -> tuple[str, ...]:
    status = cluster.status
    state = Cluster.Status.State.Name(status.state) if status.state else "NEW"
    return (
        short(cluster.name),
        cluster.WhichOneof("target") or "",
        f"{state} ({status.reason})" if status.reason else state,
        str(status.applied_revision),
        str(status.verified_revision),
        str(status.agents),
        moment(status.last_seen_time),
        joined(cluster.labels),
    )
