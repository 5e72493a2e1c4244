"""The pages of the command lines, from the commands themselves."""

from collections.abc import Iterator, Mapping
from enum import Enum
from textwrap import dedent
from typing import Any, Literal, get_args, get_origin

import typer
from typer.core import TyperGroup

from egress.cli.app import app as egressctl_app
from egress_server.cli.main import app as egressd_app
from tools.reference.markdown import code, table

PROGRAMS: Mapping[str, Any] = {
    "egressctl": typer.main.get_command(egressctl_app),
    "egressd": typer.main.get_command(egressd_app),
}
_EVERYWHERE = ("Arguments", "Options")
_ALWAYS = frozenset({"--help", "--install-completion", "--show-completion"})


def cli_page(program: str) -> str:
    """All commands of a program. Groups of options that the program itself has are not repeated at its commands."""
    command = PROGRAMS[program]
    shared = {panel for panel, _ in _panels(command)} - set(_EVERYWHERE)
    return "\n\n".join([f"# {program}", *_described(command, set()), *_below(command, program, 1, shared)])


def _below(command: Any, name: str, level: int, hidden: set[str]) -> Iterator[str]:
    for word, each in command.commands.items():
        yield f"{'#' * (level + 1)} {name} {word}"
        yield from _described(each, hidden)
        if isinstance(each, TyperGroup):
            yield from _below(each, f"{name} {word}", level + 1, hidden)


def _described(command: Any, hidden: set[str]) -> Iterator[str]:
    yield _text(command.help)
    for panel, rows in _panels(command):
        if panel not in hidden:
            yield table((panel, "Value", "Description"), rows)
    if command.epilog:
        yield f"```text\n{dedent(_text(command.epilog).removeprefix('Examples:').strip(chr(10)))}\n```"


def _panels(command: Any) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The parameters as rows, by the panel of the help that has them."""
    panels: dict[str, list[tuple[str, str, str]]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or _ALWAYS & set(parameter.opts):
            continue
        is_argument = parameter.param_type_name == "argument"
        panel = getattr(parameter, "rich_help_panel", None) or _EVERYWHERE[not is_argument]
        names = parameter.metavar or parameter.name.upper() if is_argument else ", ".join(map(code, parameter.opts))
        row = (code(names) if is_argument else names, code(_value(parameter, is_argument)), parameter.help or "")
        panels.setdefault(panel, []).append(row)
    yield from panels.items()


def _value(parameter: Any, is_argument: bool) -> str:
    """The choices, or the metavar; empty for a flag."""
    kind = parameter.type_descriptor.annotation
    if choices := _choices(kind):
        return "|".join(choices)
    return "" if is_argument or kind is bool else parameter.metavar or "TEXT"


def _choices(kind: Any) -> list[str]:
    """The values of an enum or a Literal, also if they are optional or in a list."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    if get_origin(kind) is Literal:
        return [str(each) for each in get_args(kind)]
    return [choice for part in get_args(kind) for choice in _choices(part)]


def _text(help_text: str | None) -> str:
    return "\n".join(line.strip("\b") for line in (help_text or "").splitlines()).strip()
