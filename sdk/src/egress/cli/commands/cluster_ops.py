"""egressctl cluster, second part: what appliers observe on clusters, and decisions about it."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from egress import DriftedObject, Observation, PolicyGap, StaleWorkload
from egress.cli.support.cluster_wait import follow_restart
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import ClusterName, ClusterOrAll, ListFlags, MutationFlags
from egress.cli.support.session import Session, command
from egress.cli.support.values import moment, short

_DRIFT = ("CLUSTER", "OBJECT", "DRIFT", "BY", "DETECTED", "HEALED", "RESOURCE")
_POLICY_GAPS = ("CLUSTER", "OBJECT", "GAP", "REASON")
_STALE = ("CLUSTER", "WORKLOAD", "STALE PODS", "REASON")

Object = Annotated[str, typer.Argument(metavar="KIND/NAMESPACE/NAME", help="Object, such as Sidecar/prod/default.")]
Token = Annotated[
    str,
    typer.Option(
        help="Fail unless the cluster is still held with this token: status.approvalToken of cluster get -o json."
    ),
]


def add_to(group: typer.Typer) -> None:
    """Adds the commands to the group `cluster`."""
    filtered = """egressctl cluster drift c0 --filter 'healed = false'"""
    command(group, "drift", "egressctl cluster drift", filtered)(drift)
    command(group, "gaps", "egressctl cluster gaps", "egressctl cluster gaps c0 -o json")(policy_gaps)
    command(group, "stale", "egressctl cluster stale c0")(stale)
    command(group, "adopt", "egressctl cluster adopt c0 Sidecar/prod/default --reason 'agreed with shop'")(adopt)
    command(group, "release", "egressctl cluster release c0 Sidecar/prod/default")(release)
    command(group, "approve", "egressctl cluster approve c0 --reason 'prod was moved away'")(approve)
    command(group, "accept-store-reset", "egressctl cluster accept-store-reset c0 --reason 'restored from a backup'")(
        accept_store_reset
    )
    restarts = "egressctl cluster restart c0 Deployment/prod/web Deployment/prod/api --wait --timeout 10m"
    command(group, "restart", "egressctl cluster restart c0", restarts)(restart)


def drift(session: Session, listing: ListFlags, cluster: ClusterOrAll = "-") -> None:
    """List the managed objects that another client changed."""
    pager = session.client.list_drift(cluster, **listing.options())
    show_list(session, pager, lambda page: page.drifted_objects, listing.limit, _DRIFT, _drift_row)


def policy_gaps(session: Session, listing: ListFlags, cluster: ClusterOrAll = "-") -> None:
    """List workloads and Sidecars not covered by the mesh-wide REGISTRY_ONLY policy."""
    pager = session.client.list_policy_gaps(cluster, **listing.options())
    show_list(
        session,
        pager,
        lambda page: page.policy_gaps,
        listing.limit,
        _POLICY_GAPS,
        _policy_gap_row,
        lambda page: _incomplete(page.observations),
    )


def stale(session: Session, listing: ListFlags, cluster: ClusterOrAll = "-") -> None:
    """List workloads that run under older interception rules until they are restarted."""
    pager = session.client.list_stale_workloads(cluster, **listing.options())
    show_list(
        session,
        pager,
        lambda page: page.stale_workloads,
        listing.limit,
        _STALE,
        _stale_row,
        lambda page: _incomplete(page.observations),
    )


def adopt(session: Session, mutating: MutationFlags, cluster: ClusterName, object: Object) -> None:
    """Allow mesh-egress to change an unmanaged object that conflicts with policy.

    The object's previous state is kept on the cluster. The commands release and deregister --cleanup restore it.
    """
    changed = session.client.adopt_object(cluster, object, **mutating.options())
    finish(session, mutating, changed, f"adopted {object}")


def release(session: Session, mutating: MutationFlags, cluster: ClusterName, object: Object) -> None:
    """Release an adopted object and restore its previous state."""
    changed = session.client.release_object(cluster, object, **mutating.options())
    finish(session, mutating, changed, f"released {object}")


def approve(session: Session, mutating: MutationFlags, cluster: ClusterName, token: Token = "") -> None:
    """Approve the deletion that a guard is holding back on a cluster. The command cluster get shows it."""
    changed = session.client.approve_deletion(cluster, token=token, **mutating.options())
    finish(session, mutating, changed, "deletion approved")


def accept_store_reset(session: Session, mutating: MutationFlags, cluster: ClusterName, token: Token = "") -> None:
    """Accept this store for a cluster that was last managed by a lost or restored store."""
    changed = session.client.accept_store_reset(cluster, token=token, **mutating.options())
    finish(session, mutating, changed, "accepted this store")


def restart(
    session: Session,
    mutating: MutationFlags,
    cluster: ClusterName,
    workload: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND/NAMESPACE/NAME",
            show_default="all stale workloads",
            help="Workload to restart.",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all workloads are available again, for at most --timeout.")
    ] = False,
) -> None:
    """Restart workloads one at a time, so that they run under the latest interception rules.

    Stops at the first workload that does not become available again.
    """
    changed = session.client.restart_workloads(cluster, workload or (), **mutating.options())
    finish(session, mutating, changed, "restart requested")
    if wait:
        name = changed.change.resource
        raise typer.Exit(follow_restart(session.client, name, changed.restart_id, mutating.timeout))


def _incomplete(observations: Iterable[Observation]) -> Iterator[str]:
    """What is missing from a list."""
    for each in observations:
        if not each.HasField("observe_time"):
            yield f"{short(each.cluster)} has not been observed yet; the list has nothing from it."
        elif each.omitted_count:
            yield f"{short(each.cluster)} has {each.omitted_count} more that are not listed."


def _object(kind: str, namespace: str, name: str) -> str:
    return f"{kind}/{namespace}/{name}"


def _drift_row(found: DriftedObject) -> tuple[str, ...]:
    return (
        short(found.cluster),
        _object(found.kind, found.namespace, found.name),
        DriftedObject.Type.Name(found.type),
        found.manager,
        moment(found.detect_time),
        moment(found.heal_time) or "no",
        found.resource,
    )


def _policy_gap_row(found: PolicyGap) -> tuple[str, ...]:
    return (
        short(found.cluster),
        _object(found.kind, found.namespace, found.name),
        PolicyGap.Type.Name(found.type),
        found.reason,
    )


def _stale_row(found: StaleWorkload) -> tuple[str, ...]:
    return (
        short(found.cluster),
        _object(found.kind, found.namespace, found.name),
        f"{found.stale_pods} of {found.pods}",
        found.reason,
    )
