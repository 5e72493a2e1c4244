"""Groups of options that many commands share, each declared once.

A command takes such a group as one argument: `def set_(session: Session, mutation: Mutating, ...)`. `expanded` gives
typer the fields in its place, so that they stand in the help of every command and may be given after its name.
"""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, get_type_hints

import typer

from egress import MutationOptions
from egress.cli.support.values import duration

ClusterName = Annotated[str, typer.Argument(metavar="NAME", help="ID or full name of the cluster.")]

_PANEL = "Options of every change"


class Until(StrEnum):
    """How far to wait for a change."""

    APPLIED = "applied"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Mutating:
    """What every command takes that changes something."""

    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Change nothing; show findings and what would change.", rich_help_panel=_PANEL),
    ] = False
    wait: Annotated[
        Until | None,
        typer.Option(help="Wait until every cluster holds it, or probes have seen it.", rich_help_panel=_PANEL),
    ] = None
    timeout: Annotated[
        float,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            show_default="60s",
            help="How long --wait waits at most.",
            rich_help_panel=_PANEL,
        ),
    ] = 60.0
    reason: Annotated[str, typer.Option(help="Why; kept with the change.", rich_help_panel=_PANEL)] = ""
    etag: Annotated[str, typer.Option(help="Go ahead only if this is the current etag.", rich_help_panel=_PANEL)] = ""
    create_only: Annotated[
        bool, typer.Option("--create-only", help="Go ahead only if it does not exist.", rich_help_panel=_PANEL)
    ] = False
    suppress: Annotated[
        list[str],
        typer.Option(metavar="CODE", help="Override a finding; may be repeated.", rich_help_panel=_PANEL),
    ] = field(default_factory=list)
    request_id: Annotated[
        str,
        typer.Option(help="Idempotency id: the same command with the same id is done once.", rich_help_panel=_PANEL),
    ] = ""

    def options(self) -> MutationOptions:
        """The same in the SDK's words."""
        return MutationOptions(
            validate_only=self.dry_run,
            reason=self.reason,
            etag=self.etag,
            create_only=self.create_only,
            suppress_findings=self.suppress,
            request_id=self.request_id,
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """What every list takes."""

    filter: Annotated[str, typer.Option(help="""Conditions joined by AND, such as 'name = "x"'.""")] = ""
    order_by: Annotated[str, typer.Option(help="Field to sort by, with ' desc' for the other direction.")] = ""
    limit: Annotated[int, typer.Option(min=0, help="At most this many; 0 means all.")] = 0


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the fields of each argument that is a dataclass in the place of that argument.

    Where the function has an argument of its own by the name of such a field, the command has that one, and the field
    keeps its default.
    """
    arguments = inspect.signature(function, eval_str=True).parameters.values()
    groups: dict[str, Any] = {
        argument.name: argument.annotation for argument in arguments if dataclasses.is_dataclass(argument.annotation)
    }

    own = {argument.name for argument in arguments}
    options = {name: [one for one in _options(group) if one.name not in own] for name, group in groups.items()}

    def run(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{one.name: values.pop(one.name) for one in options[name]})
        function(**values)

    parameters = [argument for argument in arguments if argument.name not in groups]
    parameters += [_parameter(one, group) for name, group in groups.items() for one in options[name]]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    run.__doc__ = function.__doc__
    return run


def _options(group: Any) -> list[dataclasses.Field[Any]]:
    return [one for one in dataclasses.fields(group) if one.init]


def _parameter(one: dataclasses.Field[Any], group: Any) -> inspect.Parameter:
    default: Any = inspect.Parameter.empty
    if one.default is not dataclasses.MISSING:
        default = one.default
    elif one.default_factory is not dataclasses.MISSING:
        default = one.default_factory()
    annotation = get_type_hints(group, include_extras=True)[one.name]
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
