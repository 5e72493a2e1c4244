"""Help in the form of kubectl and gh: usage, examples, and each option with its type, choices and default.

Typer prints Python's types. Here `described` replaces them in every parameter, and the command classes print the page.
"""

import copy
import enum
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

_TYPES: dict[Any, str] = {str: "string", int: "int", float: "float", Path: "file", typer.FileText: "file"}
GLOBAL = "Global options"  # the section that comes last
_MAX_WIDTH = 110
_MAX_NAME = 40


def choices(names: Iterable[str]) -> list[str]:
    """The names of an enum that can be chosen."""
    return [name for name in names if "UNSPECIFIED" not in name]


def described(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter with its type, its default and whether it may be repeated in the metavar and the help."""
    if get_origin(parameter.annotation) is not Annotated:
        return parameter
    kind, info, *_ = get_args(parameter.annotation)
    info = copy.copy(info)
    kind, repeatable = _plain(kind)
    is_option = isinstance(info, typer.models.OptionInfo)
    if info.metavar is None:
        info.metavar = _type_name(kind, repeatable) if is_option else parameter.name.upper()
    notes = []
    if repeatable and is_option:
        notes.append("repeatable")
    if is_option and parameter.default is inspect.Parameter.empty:
        notes.append("required")
    if default := _default(info.show_default, parameter.default):
        notes.append(f"default: {default}")
    info.show_default = False
    info.help = (info.help or "").removesuffix(".") + (f" ({', '.join(notes)})" if notes else "")
    shown = kind if not repeatable else list[kind]  # type: ignore[valid-type]
    optional = shown | None if parameter.default is None else shown
    return parameter.replace(annotation=Annotated[optional, info])


def _plain(kind: Any) -> tuple[Any, bool]:
    """The type of one value, and whether there may be many."""
    alternatives = [each for each in get_args(kind) if each is not NoneType]
    if get_origin(kind) is list:
        return alternatives[0], True
    if NoneType in get_args(kind):
        return _plain(alternatives[0])
    return kind, False


def _type_name(kind: Any, repeatable: bool) -> str:
    if kind is bool:
        return ""
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return "|".join(each.value for each in kind)
    return _TYPES[kind] + ("s" if repeatable else "")


def _default(shown: bool | str, default: Any) -> str:
    if isinstance(shown, str):
        return shown
    if not shown or isinstance(default, bool | list) or not default or default is inspect.Parameter.empty:
        return ""
    return str(default)


class HelpCommand(TyperCommand):
    """A command whose help is printed in this form, and whose usage errors name what is allowed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer's own messages for bad values are those of its validator."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _plain_message(error.message)
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments in the order in which they are given; then the options."""
        pieces = []
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                name = f"{parameter.metavar}{'...' if parameter.nargs == -1 else ''}"
                pieces.append(name if parameter.required else f"[{name}]")
        return [*pieces, "[options]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the page."""
        examples = ["", *self.epilog.splitlines()] if self.epilog else []
        lines = [*_usage(self, ctx), *examples, *_arguments(self, ctx), *_options(self, ctx)]
        formatter.write("\n".join(lines) + "\n")


class HelpGroup(TyperGroup):
    """A group of commands whose help is printed in this form."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """A command and its options."""
        return ["COMMAND", "[options]"]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the page."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_sentence(command.help)) for name, command in commands if command]
        epilog = ["", *self.epilog.splitlines()] if self.epilog else []
        lines = [*_usage(self, ctx), *_section("Commands", rows), *_options(self, ctx), *epilog]
        formatter.write("\n".join(lines) + "\n")


def group(name: str, help: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(name=name, cls=HelpGroup, no_args_is_help=True, help=help, rich_markup_mode=None)


def _usage(command: Any, ctx: Any) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), _width())
        yield ""
    yield from ("Usage:", f"  {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}")


def _arguments(command: Any, ctx: Any) -> Iterator[str]:
    rows = [(one.metavar, one.help or "") for one in command.get_params(ctx) if one.param_type_name == "argument"]
    if rows:
        yield from _section("Arguments", rows)


def _options(command: Any, ctx: Any) -> Iterator[str]:
    sections: dict[str, list[tuple[str, str]]] = {"Options": []}
    for one in command.get_params(ctx):
        if one.param_type_name == "option" and not one.hidden:
            title = getattr(one, "rich_help_panel", None) or "Options"
            sections.setdefault(title, []).append((_option_name(one), (one.help or "").removesuffix(".")))
    for title in sorted(sections, key=GLOBAL.__eq__):
        yield from _section(title, sections[title])


def _option_name(option: Any) -> str:
    short = next((f"{name}, " for name in option.opts if not name.startswith("--")), "    ")
    long = next(name for name in option.opts if name.startswith("--"))
    return f"{short}{long} {option.metavar or ''}".rstrip()


def _section(title: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield from ("", f"{title}:")
    wide = min(max(len(name) for name, _ in rows), _MAX_NAME)
    for name, text in rows:
        lines = textwrap.wrap(text, _width() - wide - 5) or [""]
        if len(name) > wide:
            yield f"  {name}"
            name = ""
        yield f"  {name:<{wide}}   {lines[0]}".rstrip()
        yield from (f"  {'':<{wide}}   {line}" for line in lines[1:])


def _plain_message(text: str) -> str:
    """The message of a bad value, without the validator's wording."""
    if named := re.fullmatch(r"(?:Value error, )?('.*') is not one of ('.*')\.", text):
        return f"must be one of {named.group(2).replace(chr(39), '')}, not {named.group(1)}"
    if kind := re.match(r"Input should be a valid (integer|number)", text):
        return "must be an integer" if kind.group(1) == "integer" else "must be a number"
    return text.removeprefix("Value error, ")


def _first_sentence(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split()).partition(". ")[0].removesuffix(".")


def _width() -> int:
    return min(shutil.get_terminal_size((_MAX_WIDTH, 24)).columns, _MAX_WIDTH)
