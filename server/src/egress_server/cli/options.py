"""Command-line options generated from settings models, and settings from what was given."""

import inspect
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Annotated, Any, TypeVar, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from typer.core import TyperCommand

from egress_server.config import Option

T = TypeVar("T", bound=BaseSettings)


class PlainCommand(TyperCommand):
    """A command whose help shows `--help` without the type of its value, since it takes none."""

    def get_help_option(self, ctx: Any) -> Any:
        """See TyperCommand."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.metavar = ""
        return option


def takes(kind: type[T]) -> Callable[[Callable[[T], int]], Callable[..., None]]:
    """Decorates a function of settings, which returns the exit code, as a command with an option for each setting."""

    def decorate(run: Callable[[T], int]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            raise typer.Exit(run(_settings(kind, given)))

        command.__name__, command.__doc__ = run.__name__, run.__doc__
        command.__signature__ = inspect.Signature(list(_parameters(kind)))  # type: ignore[attr-defined]
        return command

    return decorate


def _parameters(kind: type[BaseSettings]) -> Iterator[inspect.Parameter]:
    for name, field, option in _options(kind):
        is_flag, is_list = not option.metavar, get_origin(field.annotation) is tuple
        value: Any = bool | None if is_flag else list[str] | None if is_list else str | None
        declared = typer.Option(
            _flag(name, option), metavar=option.metavar, help=_help(kind, name, field), show_default=False
        )
        yield inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[value, declared]
        )


def _options(kind: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo, Option]]:
    """The settings that are options, those of the class itself before those it inherits."""
    for name in _names(kind):
        field = kind.model_fields[name]
        option = next((each for each in field.metadata if isinstance(each, Option)), None)
        if option is not None:
            yield name, field, option


def _names(kind: type[BaseSettings]) -> list[str]:
    bases = [base for base in kind.__bases__ if issubclass(base, BaseSettings)]
    inherited = dict.fromkeys(chain.from_iterable(map(_names, bases)))
    return [*(name for name in kind.model_fields if name not in inherited), *inherited]


def _flag(name: str, option: Option) -> str:
    return option.flag or f"--{name.replace('_', '-')}"


def _help(kind: type[BaseSettings], name: str, field: FieldInfo) -> str:
    notes = []
    if get_origin(field.annotation) is tuple:
        notes.append("repeatable")
    if field.is_required():
        notes.append("required")
    elif field.default not in (None, "", (), False):
        default = f"{field.default:g}" if isinstance(field.default, float) else field.default
        notes.append(f"default {default}")
    text = inspect.cleandoc(field.description or "").replace("\n", " ").removesuffix(".")
    noted = f"{text} ({', '.join(notes)})" if notes else text
    return f"{noted} [env: {_variable(kind, name)}]"


def _variable(kind: type[BaseSettings], name: str) -> str:
    return f"{kind.model_config.get('env_prefix', '')}{name.upper()}"


def _settings(kind: type[T], given: dict[str, Any]) -> T:
    """What was given by flag, else by environment. Ends the program if that is wrong."""
    found = {name: value for name, value in given.items() if value is not None and value != []}
    try:
        return kind(**found)
    except ValidationError as error:
        flags = {name: _flag(name, option) for name, _, option in _options(kind)}
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0])
            where = flags[name] if name in found or problem["type"] == "missing" else _variable(kind, name)
            typer.echo(f"egressd: {where}: {_sentence(kind, name, problem)}", err=True)
        raise typer.Exit(2) from None


def _sentence(kind: type[BaseSettings], name: str, problem: Any) -> str:
    match problem["type"]:
        case "missing":
            return f"is required (or set {_variable(kind, name)})"
        case "value_error":
            return str(problem["ctx"]["error"])
    return "is not a valid value"
