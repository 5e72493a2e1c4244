"""egressctl changes: the history of the mesh, and the rollout of each change."""

from contextlib import suppress
from itertools import islice
from typing import Annotated

import typer

from egress import Change, ClusterRollout, WatchChangesResponse
from egress.cli.support import findings, help
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import MAX_PAGE_SIZE, ListFlags, MutationFlags, WaitUntil
from egress.cli.support.output import Format, emit, out, plain, table, to_json
from egress.cli.support.session import Session, command
from egress.cli.support.values import duration, moment, short
from egress.cli.support.wait import wait_for

group = help.group("changes", "Show, wait for and revert changes.")

_COLUMNS = ("REVISION", "TYPE", "RESOURCE", "ACTOR", "ACCEPTED", "REASON")
_ROLLOUT_COLUMNS = ("CLUSTER", "STATE", "REVISION", "APPLIED", "VERIFIED", "STALE", "ERROR")

Revision = Annotated[str, typer.Argument(metavar="REVISION", help="Revision or full name of the change.")]


@command(group, "list", "egressctl changes list --limit 20", """egressctl changes list --filter 'type = "DELETE"'""")
def list_(session: Session, listing: ListFlags) -> None:
    """List the changes of the mesh, newest first."""
    pager = session.client.list_changes(**listing.options())
    show_list(session, pager, lambda page: page.changes, listing.limit, _COLUMNS, _row)


@command(group, "get", "egressctl changes get 17")
def get(session: Session, change: Revision) -> None:
    """Show a change and its rollout on each cluster."""
    found = session.client.get_change(change)
    rollouts = list(session.client.list_cluster_rollouts(change, page_size=MAX_PAGE_SIZE))
    if session.form is Format.TABLE:
        table(_COLUMNS, [_row(found)])
        findings.show(out(), found.findings)
        out().print()
        if rollouts:
            table(_ROLLOUT_COLUMNS, map(_rollout_row, rollouts))
        else:
            out().print("0 clusters match.")
    else:
        emit({**plain(found), "clusterRollouts": [plain(rollout) for rollout in rollouts]}, session.form)


@command(group, "wait", "egressctl changes wait 17 --until verified --timeout 2m")
def wait(
    session: Session,
    change: Revision,
    until: Annotated[WaitUntil, typer.Option(help="State to wait for.")] = WaitUntil.APPLIED,
    timeout: Annotated[
        float, typer.Option(parser=duration, metavar="duration", show_default="60s", help="Maximum time to wait.")
    ] = 60.0,
) -> None:
    """Wait until every affected cluster has applied a change, or until probes have verified it.

    Exits with status 0 if that is reached, 1 if a cluster failed or does not support the change, 3 if the timeout
    expired, 4 if a probe contradicts the policy, and 6 if no registered cluster matches the change.
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
    cursor: Annotated[
        str, typer.Option(show_default="new events only", help="Continue after the event with this cursor.")
    ] = "",
    rollouts: Annotated[bool, typer.Option("--rollouts", help="Also show rollouts as they progress.")] = False,
    limit: Annotated[int, typer.Option(min=0, show_default="no limit", help="Exit after this many events.")] = 0,
) -> None:
    """Show changes as they are accepted, one per line, until interrupted.

    Reconnects if the server restarts. With -o json each line is an event with its cursor.
    """
    with suppress(KeyboardInterrupt), session.client.watch_changes(cursor, include_rollouts=rollouts) as events:
        for event in islice(events, limit or None):
            if session.form is Format.TABLE:
                out().print(_event_text(event))
            elif session.form is Format.JSON:
                typer.echo(to_json(plain(event)))
            else:
                typer.echo("---")
                emit(plain(event), session.form)


@command(
    group,
    "revert",
    "egressctl changes revert 17 --reason 'broke checkout' --wait verified",
    "egressctl changes revert 17 --dry-run",
)
def revert(session: Session, mutating: MutationFlags, change: Revision) -> None:
    """Restore a resource to its state before a change, as a new change."""
    changed = session.client.revert_change(change, **mutating.options())
    finish(session, mutating, changed, f"restored to its state before change {short(change)}")


def _event_text(event: WatchChangesResponse) -> str:
    if event.HasField("rollout"):
        rollout = event.rollout
        reason = f": {rollout.error.message} ({rollout.error.reason})" if rollout.error.reason else ""
        state = ClusterRollout.State.Name(rollout.state)
        return f"{moment(rollout.last_seen_time)}  {short(rollout.cluster)} {state} {rollout.applied_revision}{reason}"
    change = event.change
    by = f" by {change.actor}" if change.actor else ""
    reason = f": {change.reason}" if change.reason else ""
    when, what = moment(change.accept_time), Change.Type.Name(change.type)
    return f"{when}  change {change.revision} {what} {change.resource}{by}{reason}"


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
