"""egressctl cluster, second part: what was seen on clusters, and what people decide about it."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from egress import DriftedObject, Observation, PolicyGap, StaleWorkload
from egress.cli._lists import page_size, show_list
from egress.cli._mutations import finish
from egress.cli._options import Listing, Mutating
from egress.cli._restarting import follow_restart
from egress.cli._session import Session, command
from egress.cli._values import moment, short
from egress.cli.cluster import Id

_DRIFT = ("CLUSTER", "OBJECT", "DRIFT", "BY", "SEEN", "HEALED", "RESOURCE")
_POLICY_GAPS = ("CLUSTER", "OBJECT", "GAP", "WHY")
_STALE = ("CLUSTER", "WORKLOAD", "STALE PODS", "WHY")

IdOrAll = Annotated[str, typer.Argument(metavar="NAME", help="Id or full name; left out, all clusters.")]
Object = Annotated[str, typer.Argument(metavar="KIND/NAMESPACE/NAME", help="The object, as Sidecar/prod/default.")]
Token = Annotated[str, typer.Option(help="Only if this is still what is held: approvalToken of `cluster get -o json`.")]


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


def drift(session: Session, listing: Listing, cluster: IdOrAll = "-") -> None:
    """List the objects of ours that somebody else changed."""
    pager = session.client.list_drift(
        cluster, filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.drifted_objects, listing.limit, _DRIFT, _drift_row)


def policy_gaps(session: Session, listing: Listing, cluster: IdOrAll = "-") -> None:
    """List what a mesh-wide REGISTRY_ONLY does not hold, and why."""
    pager = session.client.list_policy_gaps(
        cluster, filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(
        session,
        pager,
        lambda page: page.policy_gaps,
        listing.limit,
        _POLICY_GAPS,
        _policy_gap_row,
        lambda page: _gaps(page.observations),
    )


def stale(session: Session, listing: Listing, cluster: IdOrAll = "-") -> None:
    """List the workloads that run under older interception rules until they are restarted."""
    pager = session.client.list_stale_workloads(
        cluster, filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(
        session,
        pager,
        lambda page: page.stale_workloads,
        listing.limit,
        _STALE,
        _stale_row,
        lambda page: _gaps(page.observations),
    )


def adopt(session: Session, mutating: Mutating, cluster: Id, object: Object) -> None:
    """Allow an object that is not ours to be changed where it stands in the way.

    What it was is kept, and put back by release and by deregister --cleanup.
    """
    changed = session.client.adopt_object(cluster, object, **mutating.options())
    finish(session, mutating, changed, f"may change {object} from now on")


def release(session: Session, mutating: Mutating, cluster: Id, object: Object) -> None:
    """Take an adoption back: the object becomes what it was before."""
    changed = session.client.release_object(cluster, object, **mutating.options())
    finish(session, mutating, changed, f"gives {object} back")


def approve(session: Session, mutating: Mutating, cluster: Id, token: Token = "") -> None:
    """Approve the deletion that a guard holds back on a cluster; `cluster get` says what it is."""
    changed = session.client.approve_deletion(cluster, token=token, **mutating.options())
    finish(session, mutating, changed, "approved")


def accept_store_reset(session: Session, mutating: Mutating, cluster: Id, token: Token = "") -> None:
    """Have a cluster follow this store although it was last driven by another state of it, which is lost."""
    changed = session.client.accept_store_reset(cluster, token=token, **mutating.options())
    finish(session, mutating, changed, "follows this store from now on")


def restart(
    session: Session,
    mutating: Mutating,
    cluster: Id,
    workload: Annotated[
        list[str] | None,
        typer.Argument(metavar="KIND/NAMESPACE/NAME...", help="Workloads; left out, all that are stale."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all are back, --timeout at most; show how far it is.")
    ] = False,
) -> None:
    """Restart workloads one after the other, so that they run under the newest interception rules.

    It stops at the first that does not come back.
    """
    changed = session.client.restart_workloads(cluster, workload or (), **mutating.options())
    finish(session, mutating, changed, "has its workloads restarted")
    if wait:
        name = changed.change.resource
        raise typer.Exit(follow_restart(session.client, name, changed.reply.restart_id, mutating.timeout))


def _gaps(observations: Iterable[Observation]) -> Iterator[str]:
    """What a list lacks."""
    for each in observations:
        if not each.HasField("observe_time"):
            yield f"{short(each.cluster)} has not been looked at: nothing of it is in the list."
        elif each.omitted_count:
            yield f"{short(each.cluster)} has {each.omitted_count} more than are listed."


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
