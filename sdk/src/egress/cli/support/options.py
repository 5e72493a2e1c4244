"""Groups of options that many commands share, each declared once.

A command takes such a group as one argument: `def set_(session: Session, mutating: MutationFlags, ...)`. `expanded`
passes its fields to typer in its place, so that they are in the help of every command and may be given after its name.
"""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, TypedDict, get_type_hints

import typer

from egress import MutationOptions
from egress.cli.support.help import described
from egress.cli.support.values import duration

MAX_PAGE_SIZE = 1000
_PANEL = "Mutation options"

# Arguments and options of several groups of commands.
ClusterName = Annotated[str, typer.Argument(metavar="CLUSTER", help="ID or full name of the cluster.")]
ClusterOrAll = Annotated[
    str, typer.Argument(metavar="CLUSTER", show_default="all clusters", help="ID or full name of the cluster.")
]
OnCluster = Annotated[list[str] | None, typer.Option("--cluster", help="Only on this cluster.")]
OnClusterLabel = Annotated[
    list[str] | None, typer.Option("--cluster-label", metavar="key=value", help="Only on clusters with this label.")
]
OfNamespace = Annotated[
    str, typer.Option("--namespace", "-n", show_default="all namespaces", help="List only this namespace.")
]
InNamespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace, unless a full name is given.")]
YamlNamespace = Annotated[
    str, typer.Option("--namespace", "-n", show_default="the YAML's namespace, or default", help="Namespace.")
]
ScopeNamespace = Annotated[
    str,
    typer.Option("--namespace", "-n", show_default="whole mesh", help="Namespace of the workloads it applies to."),
]
ScopeLabel = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="key=value", help="Only for workloads with this label; requires --namespace."),
]


class WaitUntil(StrEnum):
    """The state of a change to wait for."""

    APPLIED = "applied"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class MutationFlags:
    """The options of every command that changes something."""

    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Change nothing; show findings and the plan.", rich_help_panel=_PANEL),
    ] = False
    wait: Annotated[
        WaitUntil | None,
        typer.Option(
            help="Wait until every cluster has applied the change, or until probes have verified it.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    timeout: Annotated[
        float,
        typer.Option(
            parser=duration, metavar="duration", show_default="60s", help="Limit of --wait.", rich_help_panel=_PANEL
        ),
    ] = 60.0
    reason: Annotated[
        str, typer.Option(help="Why the change is made; recorded in the change.", rich_help_panel=_PANEL)
    ] = ""
    etag: Annotated[
        str, typer.Option(help="Fail unless this is the resource's current etag.", rich_help_panel=_PANEL)
    ] = ""
    create_only: Annotated[
        bool, typer.Option("--create-only", help="Fail if the resource already exists.", rich_help_panel=_PANEL)
    ] = False
    suppress: Annotated[
        list[str],
        typer.Option(metavar="code", help="Finding that should not block the change.", rich_help_panel=_PANEL),
    ] = field(default_factory=list)
    request_id: Annotated[
        str,
        typer.Option(
            help="Idempotency key: repeating the command with the same key has no further effect.",
            rich_help_panel=_PANEL,
        ),
    ] = ""

    def options(self) -> MutationOptions:
        """The same as the SDK's options."""
        return MutationOptions(
            validate_only=self.dry_run,
            reason=self.reason,
            etag=self.etag,
            create_only=self.create_only,
            suppress_findings=self.suppress,
            request_id=self.request_id,
        )


class ListOptions(TypedDict):
    """The SDK's options of lists."""

    filter: str
    order_by: str
    page_size: int


@dataclass(frozen=True, slots=True)
class ListFlags:
    """The options of every list."""

    filter: Annotated[str, typer.Option(help="""Conditions joined by AND, such as 'name = "x"'.""")] = ""
    order_by: Annotated[str, typer.Option(help="Field to sort by; append ' desc' for descending order.")] = ""
    limit: Annotated[int, typer.Option(min=0, show_default="no limit", help="Maximum number of items.")] = 0

    def options(self) -> ListOptions:
        """The same as the SDK's options, with the page size that takes the fewest calls without fetching items that are
        not shown."""
        return ListOptions(
            filter=self.filter, order_by=self.order_by, page_size=min(self.limit or MAX_PAGE_SIZE, MAX_PAGE_SIZE)
        )


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """The function with each argument that is a dataclass replaced by the fields of that dataclass.

    If the function has an argument with the name of such a field, the command has only the argument, and the field
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
        [described(parameter).replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
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
