"""Replies on standard output: as a table, or as proto3 JSON or YAML for scripts."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, TextIO

import typer
import yaml
from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table


class Format(StrEnum):
    """Output format."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def console(file: TextIO) -> Console:
    """A console that prints text as it is: the server's text has no markup, and pipes get no line breaks."""
    wide = None if file.isatty() else 10_000
    return Console(file=file, width=wide, markup=False, highlight=False, emoji=False, soft_wrap=True)


def out() -> Console:
    """For replies."""
    return console(sys.stdout)


def err() -> Console:
    """For everything else."""
    return console(sys.stderr)


def plain(message: Message) -> dict[str, Any]:
    """The message as proto3 JSON."""
    return json_format.MessageToDict(message)


def emit(value: dict[str, Any], form: Format) -> None:
    """Prints a value for scripts."""
    if form is Format.YAML:
        typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")  # names are copied from here: never truncate them
    for row in rows:
        grid.add_row(*row)
    out().print(grid, soft_wrap=False)
