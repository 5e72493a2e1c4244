"""Errors on standard error, and the exit code each means."""

import json
from enum import IntEnum

import typer
from google.protobuf import json_format
from google.rpc import error_details_pb2  # noqa: F401 - JSON of a status needs to know its details

from egress import DeadlineExceeded, EgressError, Unavailable
from egress.cli.support import findings
from egress.cli.support.output import Format, err


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3
    DISAGREES = 4


def report(error: EgressError, form: Format) -> typer.Exit:
    """Prints what went wrong; returns what to leave with."""
    unreached = isinstance(error, Unavailable | DeadlineExceeded)
    if form is Format.TABLE:
        _tell(error)
        if isinstance(error, Unavailable):
            err().print("Is the server running? `egressctl doctor` looks at the way to it.")
    else:
        typer.echo(json.dumps(json_format.MessageToDict(error.status), indent=2, ensure_ascii=False), err=True)
    return typer.Exit(Exit.UNAVAILABLE if unreached else Exit.REFUSED)


def _tell(error: EgressError) -> None:
    console = err()
    # With findings the message only repeats the first one's cause.
    message = "refused by its findings" if error.findings else error.message
    console.print(f"Error: {message} ({error.reason})", style="red")
    for violation in map(str, error.violations):
        if violation not in message:
            console.print(f"  {violation}")
    findings.show(console, error.findings)
    if error.retry_after is not None:
        console.print(f"  Try again in {error.retry_after:g} s.")
