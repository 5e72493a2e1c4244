"""egressctl changes: what was changed, by whom, and what became of it."""

import json
from contextlib import suppress
from itertools import islice
from typing import Annotated

import typer

from egress import Change, ClusterRollout, WatchChangesResponse
from egress.cli.support import findings
from egress.cli.support.lists import page_size, show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import Listing, Mutating, Until
from egress.cli.support.output import Format, emit, out, plain, table
from egress.cli.support.session import Session, command
from egress.cli.support.values import duration, moment, short
from egress.cli.support.wait import wait_for

group = typer.Typer(name="changes", no_args_is_help=True, help="Changes, and what became of them.")

_COLUMNS = ("REVISION", "TYPE", "RESOURCE", "ACTOR", "ACCEPTED", "REASON")
_ROLLOUT_COLUMNS = ("CLUSTER", "STATE", "REVISION", "APPLIED", "VERIFIED", "STALE", "ERROR")

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
        findings.show(out(), found.findings)
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


@command(
    group,
    "watch",
    "egressctl changes watch",
    "egressctl changes watch --rollouts -o json",
    "egressctl changes watch --cursor CURSOR --limit 10",
)
def watch(
    session: Session,
    cursor: Annotated[str, typer.Option(help="Go on after the event with this cursor; else from now on.")] = "",
    rollouts: Annotated[bool, typer.Option("--rollouts", help="Also show clusters as they come along.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Leave after this many events; 0 means never.")] = 0,
) -> None:
    """Show changes as they are accepted, one a line, through restarts of the server, until interrupted.

    With -o json each line is an event with its cursor.
    """
    with suppress(KeyboardInterrupt), session.client.watch_changes(cursor, include_rollouts=rollouts) as events:
        for event in islice(events, limit or None):
            if session.form is Format.TABLE:
                out().print(_told(event))
            elif session.form is Format.JSON:
                typer.echo(json.dumps(plain(event), ensure_ascii=False))
            else:
                typer.echo("---")
                emit(plain(event), session.form)


@command(
    group,
    "revert",
    "egressctl changes revert 17 --reason 'broke checkout' --wait verified",
    "egressctl changes revert 17 --dry-run",
)
def revert(session: Session, mutating: Mutating, change: Revision) -> None:
    """Bring the resource of a change back to what it was before it, by a change of its own."""
    changed = session.client.revert_change(change, **mutating.options())
    finish(session, mutating, changed, f"is as it was before change {short(change)}")


def _told(event: WatchChangesResponse) -> str:
    if event.HasField("rollout"):
        rollout = event.rollout
        why = f": {rollout.error.message} ({rollout.error.reason})" if rollout.error.reason else ""
        state = ClusterRollout.State.Name(rollout.state)
        return f"{moment(rollout.last_seen_time)}  {short(rollout.cluster)} {state} {rollout.applied_revision}{why}"
    change = event.change
    by = f" by {change.actor}" if change.actor else ""
    why = f": {change.reason}" if change.reason else ""
    when, what = moment(change.accept_time), Change.Type.Name(change.type)
    return f"{when}  change {change.revision} {what} {change.resource}{by}{why}"


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
        str(rollout.stale_workloads or ""),
        f"{rollout.error.reason} {rollout.error.message}".strip(),
    )
