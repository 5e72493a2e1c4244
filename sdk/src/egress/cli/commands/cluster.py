"""egressctl cluster: where policy is applied, and the agents there."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from egress import Agent, Cluster
from egress.cli.support.describe import details
from egress.cli.support.kubeconfig import inlined
from egress.cli.support.lists import page_size, show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import ClusterName, Listing, Mutating
from egress.cli.support.output import out, table
from egress.cli.support.registration_wait import wait_until_driven
from egress.cli.support.session import Session, command
from egress.cli.support.values import joined, moment, pairs, short, words

group = typer.Typer(name="cluster", no_args_is_help=True, help="Clusters: where policy is applied.")

_KUBERNETES = "Options of Kubernetes clusters"

_COLUMNS = ("NAME", "TARGET", "STATE", "APPLIED", "VERIFIED", "AGENTS", "LAST SEEN", "LABELS")


_AGENT_COLUMNS = ("AGENT", "CLUSTER", "NAMESPACE", "WORKLOAD CLUSTER", "VERSION", "LABELS")


@command(
    group,
    "register",
    "egressctl cluster register local --target local --label env=test",
    "egressctl cluster register prod --target directory --path prod/istio --service-cidr 10.96.0.0/12",
    "egressctl cluster register c0 --target kubernetes --kubeconfig ~/.kube/config --context c0",
)
def register(
    session: Session,
    mutating: Mutating,
    name: Annotated[str, typer.Argument(help="ClusterName of the cluster.")],
    target: Annotated[
        Literal["local", "directory", "kubernetes"],
        typer.Option(help="How it is driven: an Envoy beside the server, a folder of YAML files, Istio in a cluster."),
    ],
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label for cluster selectors; may be repeated.")
    ] = None,
    path: Annotated[str, typer.Option(help="Folder of a directory; the cluster's id where left out.")] = "",
    service_cidr: Annotated[
        list[str] | None, typer.Option(metavar="CIDR,...", help="The cluster's own service ranges; may be repeated.")
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="How it is reached; files that this names are sent with it. Left out, what is known stays.",
            rich_help_panel=_KUBERNETES,
        ),
    ] = None,
    context: Annotated[
        str, typer.Option(help="The kubeconfig's context; else its current-context.", rich_help_panel=_KUBERNETES)
    ] = "",
    secret: Annotated[
        str,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="A Secret with the key kubeconfig, beside the applier.",
            rich_help_panel=_KUBERNETES,
        ),
    ] = "",
    in_cluster: Annotated[
        bool,
        typer.Option(
            "--in-cluster", help="The applier runs in it, with rights of its own.", rich_help_panel=_KUBERNETES
        ),
    ] = False,
    istio_revision: Annotated[
        str, typer.Option(help="Istio's revision; else the default one.", rich_help_panel=_KUBERNETES)
    ] = "",
    root_namespace: Annotated[
        str,
        typer.Option(help="Istio's root namespace.", show_default="istio-system", rich_help_panel=_KUBERNETES),
    ] = "",
    mesh_policy: Annotated[
        Literal["both", "sidecar", "mesh-config"] | None,
        typer.Option(help="Where a mesh-wide policy is written.", show_default="both", rich_help_panel=_KUBERNETES),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Do not wait until an applier has been there.", rich_help_panel=_KUBERNETES),
    ] = False,
) -> None:
    """Register a cluster, or replace its registration.

    Of a Kubernetes cluster it waits up to 30 s for an applier's word on it.
    """
    changed = session.client.register_cluster(
        name,
        target=target,
        labels=pairs(label or (), "--label"),
        path=path,
        service_cidrs=words(service_cidr or ()),
        kubeconfig=inlined(kubeconfig, context) if kubeconfig else "",
        context=context,
        secret=secret,
        in_cluster=in_cluster,
        istio_revision=istio_revision,
        root_namespace=root_namespace,
        mesh_policy=mesh_policy or "",
        **mutating.options(),
    )
    finish(session, mutating, changed, "registered")
    if target == "kubernetes" and not (no_wait or mutating.wait):
        raise typer.Exit(wait_until_driven(session.client, changed.change.resource, changed.change))


@command(group, "get", "egressctl cluster get local")
def get(session: Session, cluster: ClusterName) -> None:
    """Show one cluster."""
    found = session.client.get_cluster(cluster)

    def show() -> None:
        table(_COLUMNS, [_row(found)])
        for line in details(found):
            out().print(line)

    session.show(found, show)


@command(group, "list", "egressctl cluster list", """egressctl cluster list --filter 'labels.env = "prod"'""")
def list_(session: Session, listing: Listing) -> None:
    """List the mesh's clusters."""
    pager = session.client.list_clusters(
        filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.clusters, listing.limit, _COLUMNS, _row)


@command(group, "update", "egressctl cluster update local --label env=prod --label region=eu")
def update(
    session: Session,
    mutating: Mutating,
    cluster: ClusterName,
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label; may be repeated. Without it, none.")
    ] = None,
) -> None:
    """Replace the labels of a cluster, all of them; its target stays."""
    changed = session.client.update_cluster(cluster, labels=pairs(label or (), "--label"), **mutating.options())
    finish(session, mutating, changed, "updated")


@command(group, "deregister", "egressctl cluster deregister prod --cleanup --reason 'moved'")
def deregister(
    session: Session,
    mutating: Mutating,
    cluster: ClusterName,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="First remove from it what is ours; it must be reachable.")
    ] = False,
) -> None:
    """Forget a cluster. What is on it stays as it is, unless --cleanup is given."""
    changed = session.client.deregister_cluster(cluster, cleanup=cleanup, **mutating.options())
    finish(session, mutating, changed, "deregistered")


@command(group, "resync", "egressctl cluster resync local")
def resync(session: Session, cluster: ClusterName) -> None:
    """Have a cluster looked at afresh, and what differs mended. Does not wait for it."""
    reply = session.client.resync(cluster)
    session.show(
        reply,
        lambda: out().print(f"{short(cluster)} is looked at afresh; it held revision {reply.applied_revision}."),
    )


@command(
    group,
    "agents",
    "egressctl cluster agents",
    """egressctl cluster agents local --filter 'namespace = "shop"'""",
)
def agents(
    session: Session,
    listing: Listing,
    cluster: Annotated[str, typer.Argument(metavar="NAME", help="ID or full name; left out, all clusters.")] = "-",
) -> None:
    """List the agents that are attached now."""
    pager = session.client.list_agents(
        cluster, filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.agents, listing.limit, _AGENT_COLUMNS, _agent_row)


def _agent_row(agent: Agent) -> tuple[str, ...]:
    return (
        agent.agent,
        short(agent.cluster),
        agent.namespace,
        agent.workload_cluster,
        agent.version,
        joined(agent.labels),
    )


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
