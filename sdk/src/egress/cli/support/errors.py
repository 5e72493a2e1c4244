"""Errors on standard error, and their exit status."""

from enum import IntEnum

import typer
from google.rpc import error_details_pb2  # noqa: F401 - JSON of a status needs the types of its details

from egress import DeadlineExceeded, EgressError, Unavailable
from egress.cli.support import findings
from egress.cli.support.output import Format, err, plain, to_json


class Exit(IntEnum):
    """Exit status."""

    SUCCESS = 0
    REFUSED = 1
    USAGE = 2
    UNAVAILABLE = 3
    CONTRADICTED = 4
    UNKNOWN = 5
    NO_CLUSTERS = 6


def report(error: EgressError, form: Format) -> typer.Exit:
    """Prints the error; returns the exit to raise."""
    unreached = isinstance(error, Unavailable | DeadlineExceeded)
    if form is Format.TABLE:
        _print(error)
        if isinstance(error, Unavailable):
            err().print("Run `egressctl doctor` to diagnose.")
    else:
        typer.echo(to_json(plain(error.status), indent=2), err=True)
    return typer.Exit(Exit.UNAVAILABLE if unreached else Exit.REFUSED)


def _print(error: EgressError) -> None:
    console = err()
    # With findings, the message only repeats the cause of the first one.
    message = "blocked by lint errors" if error.findings else error.message
    console.print(f"Error: {message} ({error.reason})", style="red")
    for violation in map(str, error.violations):
        if violation not in message:
            console.print(f"  {violation}")
    findings.show(console, error.findings)
    if error.retry_after is not None:
        console.print(f"  Retry after {error.retry_after:g} s.")
