"""egressctl cluster: the clusters that policy is delivered to, and their agents."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from egress import Agent, Cluster
from egress.cli.support import help
from egress.cli.support.cluster_wait import wait_until_managed
from egress.cli.support.describe import details
from egress.cli.support.kubeconfig import inlined
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import ClusterName, ClusterOrAll, ListFlags, MutationFlags
from egress.cli.support.output import out, table
from egress.cli.support.session import Session, command
from egress.cli.support.values import joined, moment, pairs, short, words

group = help.group("cluster", "Manage clusters: where policy is delivered.")

_KUBERNETES = "Kubernetes options"

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
    mutating: MutationFlags,
    name: Annotated[str, typer.Argument(metavar="ID", help="ID of the cluster.")],
    target: Annotated[
        Literal["local", "directory", "kubernetes"],
        typer.Option(
            help="How policy is delivered: to an Envoy on the server's machine, to a directory of YAML files, or to "
            "a cluster with Istio."
        ),
    ],
    label: Annotated[
        list[str] | None, typer.Option(metavar="key=value", help="Label that cluster selectors match.")
    ] = None,
    path: Annotated[str, typer.Option(show_default="the cluster's ID", help="Directory of a directory cluster.")] = "",
    service_cidr: Annotated[
        list[str] | None, typer.Option(metavar="cidr,...", help="The cluster's own service ranges.")
    ] = None,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig to access the cluster with; the files that it names are sent too.",
            show_default="keep the current access",
            rich_help_panel=_KUBERNETES,
        ),
    ] = None,
    context: Annotated[
        str,
        typer.Option(
            show_default="its current-context", help="Context of the kubeconfig.", rich_help_panel=_KUBERNETES
        ),
    ] = "",
    secret: Annotated[
        str,
        typer.Option(
            metavar="namespace/name",
            help="Secret with the key kubeconfig, in the applier's cluster.",
            rich_help_panel=_KUBERNETES,
        ),
    ] = "",
    in_cluster: Annotated[
        bool,
        typer.Option(
            "--in-cluster",
            help="The applier runs in the cluster and uses its own service account.",
            rich_help_panel=_KUBERNETES,
        ),
    ] = False,
    istio_revision: Annotated[
        str,
        typer.Option(show_default="the default revision", help="Istio revision.", rich_help_panel=_KUBERNETES),
    ] = "",
    root_namespace: Annotated[
        str,
        typer.Option(help="Istio's root namespace.", show_default="istio-system", rich_help_panel=_KUBERNETES),
    ] = "",
    mesh_policy: Annotated[
        Literal["both", "sidecar", "mesh-config"] | None,
        typer.Option(
            help="Where mesh-wide outbound policies are written.", show_default="both", rich_help_panel=_KUBERNETES
        ),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait", help="Do not wait until an applier has accessed the cluster.", rich_help_panel=_KUBERNETES
        ),
    ] = False,
) -> None:
    """Register a cluster, or replace its registration.

    For a Kubernetes cluster, waits up to 30 s until an applier reports whether it can manage the cluster.
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
        raise typer.Exit(wait_until_managed(session.client, changed.change.resource, changed.change))


@command(group, "get", "egressctl cluster get local")
def get(session: Session, cluster: ClusterName) -> None:
    """Show a cluster."""
    found = session.client.get_cluster(cluster)

    def show() -> None:
        table(_COLUMNS, [_row(found)])
        for line in details(found):
            out().print(line)

    session.show(found, show)


@command(group, "list", "egressctl cluster list", """egressctl cluster list --filter 'labels.env = "prod"'""")
def list_(session: Session, listing: ListFlags) -> None:
    """List the clusters of the mesh."""
    pager = session.client.list_clusters(**listing.options())
    show_list(session, pager, lambda page: page.clusters, listing.limit, _COLUMNS, _row)


@command(group, "update", "egressctl cluster update local --label env=prod --label region=eu")
def update(
    session: Session,
    mutating: MutationFlags,
    cluster: ClusterName,
    label: Annotated[list[str] | None, typer.Option(metavar="key=value", show_default="none", help="Label.")] = None,
) -> None:
    """Replace the labels of a cluster; without --label it has none. Its target cannot be changed."""
    changed = session.client.update_cluster(cluster, labels=pairs(label or (), "--label"), **mutating.options())
    finish(session, mutating, changed, "updated")


@command(group, "deregister", "egressctl cluster deregister prod --cleanup --reason 'moved'")
def deregister(
    session: Session,
    mutating: MutationFlags,
    cluster: ClusterName,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Remove all managed objects first; the cluster must be reachable.")
    ] = False,
) -> None:
    """Deregister a cluster. Its configuration is left in place, unless --cleanup is given."""
    changed = session.client.deregister_cluster(cluster, cleanup=cleanup, **mutating.options())
    finish(session, mutating, changed, "deregistered")


@command(group, "resync", "egressctl cluster resync local")
def resync(session: Session, cluster: ClusterName) -> None:
    """Trigger a full resync of a cluster. Returns immediately."""
    reply = session.client.resync(cluster)
    session.show(
        reply,
        lambda: out().print(f"Resync of {short(cluster)} requested; it has applied revision {reply.applied_revision}."),
    )


@command(
    group,
    "agents",
    "egressctl cluster agents",
    """egressctl cluster agents local --filter 'namespace = "shop"'""",
)
def agents(
    session: Session,
    listing: ListFlags,
    cluster: ClusterOrAll = "-",
) -> None:
    """List the agents that are currently attached."""
    pager = session.client.list_agents(cluster, **listing.options())
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
