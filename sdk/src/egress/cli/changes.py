"""egressctl changes: what was changed, by whom, and what became of it."""

from typing import Annotated

import typer

from egress import Change, ClusterRollout
from egress.cli import _findings
from egress.cli._lists import page_size, show_list
from egress.cli._options import Listing, Until
from egress.cli._output import Format, emit, out, plain, table
from egress.cli._session import Session, command
from egress.cli._values import duration, moment, short
from egress.cli._wait import wait_for

group = typer.Typer(name="changes", no_args_is_help=True, help="Changes, and what became of them.")

_COLUMNS = ("REVISION", "TYPE", "RESOURCE", "ACTOR", "ACCEPTED", "REASON")
_ROLLOUT_COLUMNS = ("CLUSTER", "STATE", "REVISION", "APPLIED", "VERIFIED", "ERROR")

Revision = Annotated[str, typer.Argument(metavar="N", help="Revision or full name of the change.")]


@command(group, "list", "egressctl changes list --limit 20", """egressctl changes list --filter 'type = "DELETE"'""")
def list_(session: Session, listing: Listing) -> None:
    """List the mesh's changes, newest first."""
    pager = session.client.list_changes(
        filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.changes, listing.limit, _COLUMNS, _row)


@command(group, "show", "egressctl changes show 17")
def show(session: Session, change: Revision) -> None:
    """Show one change, and what became of it on each cluster."""
    found = session.client.get_change(change)
    rollouts = list(session.client.list_cluster_rollouts(change, page_size=page_size(0)))
    if session.form is Format.TABLE:
        table(_COLUMNS, [_row(found)])
        _findings.show(out(), found.findings)
        out().print()
        table(_ROLLOUT_COLUMNS, map(_rollout_row, rollouts))
    else:
        emit({**plain(found), "clusterRollouts": [plain(rollout) for rollout in rollouts]}, session.form)


@command(group, "wait", "egressctl changes wait 17 --until verified --timeout 2m")
def wait(
    session: Session,
    change: Revision,
    until: Annotated[Until, typer.Option(help="How far to wait.")] = Until.APPLIED,
    timeout: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", show_default="60s", help="How long to wait at most.")
    ] = 60.0,
) -> None:
    """Wait until a change is applied, or verified by probes, on every cluster it concerns.

    Leaves with 0 where it is; 1 where a cluster failed or can't take it; 4 where a probe saw something else than the
    policy says; 3 where the timeout came first.
    """
    reply, code = wait_for(session.client, change, until, timeout)
    session.show(reply, lambda: None)
    raise typer.Exit(code)


def _row(change: Change) -> tuple[str, ...]:
    return (
        str(change.revision),
        Change.Type.Name(change.type),
        change.resource,
        change.actor,
        moment(change.accept_time),
        change.reason,
    )


def _rollout_row(rollout: ClusterRollout) -> tuple[str, ...]:
    return (
        short(rollout.cluster),
        ClusterRollout.State.Name(rollout.state),
        str(rollout.applied_revision),
        moment(rollout.apply_time),
        moment(rollout.verify_time),
        f"{rollout.error.reason} {rollout.error.message}".strip(),
    )
