"""What happens after a mutation, whatever it changed: show it, and wait where that was asked for."""

import typer
from google.protobuf.message import Message

from egress import Changed, Finding
from egress._changed import Mutated
from egress.cli import _findings
from egress.cli._errors import Exit
from egress.cli._options import Mutating
from egress.cli._output import out
from egress.cli._session import Session
from egress.cli._wait import wait_for


def finish(session: Session, mutating: Mutating, changed: Changed[Mutated], done: str) -> None:
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


def _show_change(reply: Mutated, done: str) -> None:
    out().print(f"{reply.change.resource} {done} (change {reply.change.revision})")
    _findings.show(out(), reply.findings)


def _show_plan(reply: Mutated, *, refused: bool) -> None:
    out().print("Dry run: nothing was changed.")
    if refused:
        out().print("It would be refused:", style="red")
    _findings.show(out(), reply.findings)
    _findings.show_plan(out(), reply.plan)
