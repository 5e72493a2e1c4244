"""Replies on standard output: as a table, or as proto3 JSON or YAML for scripts.

Texts in replies are what clusters, servers and callers wrote. What a terminal would obey in them is escaped.
"""

import json
import re
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
from rich.text import Text


class Format(StrEnum):
    """Output format."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


# Control characters but tab and line feed, and those that hide or reorder text.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def escaped(text: str) -> str:
    """The text with unsafe characters as JSON and YAML would write them in quotes, such as \\u001b."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


class _Console(Console):
    """Escapes all text that it prints, alone or in tables."""

    def render_str(self, text: str, **options: Any) -> Text:
        """See rich.console.Console."""
        return super().render_str(escaped(text), **options)


def console(file: TextIO) -> Console:
    """A console that prints text as it is: the server's text has no markup, and pipes get no line breaks."""
    wide = None if file.isatty() else 10_000
    return _Console(file=file, width=wide, markup=False, highlight=False, emoji=False, soft_wrap=True)


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
        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
        if _UNSAFE.search(text):  # a plain YAML text can't have escapes
            text = yaml.safe_dump(value, sort_keys=False)
        typer.echo(text, nl=False)
    else:
        typer.echo(to_json(value, indent=2))


def to_json(value: dict[str, Any], indent: int | None = None) -> str:
    """The value as JSON, which may have any character in its texts as an escape."""
    return escaped(json.dumps(value, indent=indent, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, overflow="fold")  # names are copied from here: never truncate them
    for row in rows:
        grid.add_row(*row)
    out().print(grid, soft_wrap=False)
