"""What every mutation does at its end: show the result, and wait if --wait is given."""

import typer
from google.protobuf.message import Message

from egress import Finding, MutationResult
from egress._client.reply_fields import MutationReply
from egress.cli.support import findings
from egress.cli.support.errors import Exit
from egress.cli.support.options import MutationFlags
from egress.cli.support.output import out
from egress.cli.support.session import Session
from egress.cli.support.wait import wait_for


def finish(session: Session, mutating: MutationFlags, result: MutationResult[MutationReply], done: str) -> None:
    """Shows the result, with `done` as what happened to the resource, and waits. Exits with the status of the wait."""
    reply = result.reply
    assert isinstance(reply, Message)
    if mutating.dry_run:
        blocked = any(_blocks(finding, mutating.suppress) for finding in reply.findings)
        session.show(reply, lambda: _show_plan(reply, blocked=blocked))
        raise typer.Exit(Exit.REFUSED if blocked else Exit.SUCCESS)
    session.show(reply, lambda: _show_change(reply, done))
    if mutating.wait:
        _, code = wait_for(session.client, reply.change, mutating.wait, mutating.timeout)
        raise typer.Exit(code)


def _blocks(finding: Finding, suppressed: list[str]) -> bool:
    return finding.severity == Finding.ERROR and not (finding.suppressible and finding.code in suppressed)


def _show_change(reply: MutationReply, done: str) -> None:
    out().print(f"{reply.change.resource} {done} (change {reply.change.revision})")
    findings.show(out(), reply.findings)


def _show_plan(reply: MutationReply, *, blocked: bool) -> None:
    out().print("Dry run: nothing was changed.")
    if blocked:
        out().print("The change would be blocked:", style="red")
    findings.show(out(), reply.findings)
    findings.show_plan(out(), reply.plan)
