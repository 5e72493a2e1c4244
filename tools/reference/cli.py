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
_ALWAYS = frozenset({"--help", "--install-completion", "--show-completion"})


def cli_page(program: str) -> str:
    """All commands of a program."""
    return "\n\n".join([f"# {program}", *_described(PROGRAMS[program], program, 1)])


def _described(command: Any, name: str, level: int) -> Iterator[str]:
    yield _text(command.help)
    yield from _parameters(command)
    if isinstance(command, TyperGroup):
        yield _text(command.epilog)
        for word, each in command.commands.items():
            yield f"{'#' * (level + 1)} {name} {word}"
            yield from _described(each, f"{name} {word}", level + 1)
    elif command.epilog:
        examples = dedent(_text(command.epilog).removeprefix("Examples:").strip("\n"))
        yield f"```text\n{examples}\n```"


def _parameters(command: Any) -> Iterator[str]:
    panels: dict[str, list[tuple[str, str, str]]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or _ALWAYS & set(parameter.opts):
            continue
        is_argument = parameter.param_type_name == "argument"
        panel = getattr(parameter, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
        names = parameter.metavar or parameter.name.upper() if is_argument else ", ".join(map(code, parameter.opts))
        row = (code(names) if is_argument else names, code(_value(parameter, is_argument)), parameter.help or "")
        panels.setdefault(panel, []).append(row)
    for panel, rows in panels.items():
        yield table((panel, "Value", "Description"), rows)


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
