"""What happens after a mutation, whatever it changed: show it, and wait where that was asked for."""

import typer
from google.protobuf.message import Message

from egress import Finding, MutationResult
from egress._client.results import MutationReply
from egress.cli.support import findings
from egress.cli.support.errors import Exit
from egress.cli.support.options import Mutating
from egress.cli.support.output import out
from egress.cli.support.session import Session
from egress.cli.support.wait import wait_for


def finish(session: Session, mutating: Mutating, changed: MutationResult[MutationReply], done: str) -> None:
    """Shows the reply, `done` being the deed in words, and waits. Leaves with what came of it."""
    reply = changed.reply
    assert isinstance(reply, Message)
    if mutating.dry_run:
        refused = any(_blocks(finding, mutating.suppress) for finding in reply.findings)
        session.show(reply, lambda: _show_plan(reply, refused=refused))
        raise typer.Exit(Exit.REFUSED if refused else Exit.DONE)
    session.show(reply, lambda: _show_change(reply, done))
    if mutating.wait:
        _, code = wait_for(session.client, reply.change, mutating.wait, mutating.timeout)
        raise typer.Exit(code)


def _blocks(finding: Finding, forced: list[str]) -> bool:
    return finding.severity == Finding.ERROR and not (finding.suppressible and finding.code in forced)


def _show_change(reply: MutationReply, done: str) -> None:
    out().print(f"{reply.change.resource} {done} (change {reply.change.revision})")
    findings.show(out(), reply.findings)


def _show_plan(reply: MutationReply, *, refused: bool) -> None:
    out().print("Dry run: nothing was changed.")
    if refused:
        out().print("It would be refused:", style="red")
    findings.show(out(), reply.findings)
    findings.show_plan(out(), reply.plan)
