"""What every command has: the server to call, the output format, and how errors are reported."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import grpc
import typer
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from egress import EgressClient, EgressError, Unavailable
from egress._client.transport import DEFAULT_TARGET, OPTIONS, TARGET_VARIABLE
from egress.cli.support import output
from egress.cli.support.config_file import Config, ServerContext
from egress.cli.support.errors import report
from egress.cli.support.help import GLOBAL, HelpCommand
from egress.cli.support.options import expanded
from egress.cli.support.output import Format

_PANEL = GLOBAL
_CONNECT_SECONDS = 3.0


@dataclass
class Session:
    """The options of every command. They may also precede the command's name; after it they take precedence."""

    ctx: typer.Context
    output: Annotated[
        Format | None,
        typer.Option("--output", "-o", show_default="table", help="Output format.", rich_help_panel=_PANEL),
    ] = None
    server: Annotated[
        str,
        typer.Option(
            metavar="target",
            show_default=f"{TARGET_VARIABLE}, the context, or {DEFAULT_TARGET}",
            help="Server to call, HOST:PORT or unix:PATH.",
            rich_help_panel=_PANEL,
        ),
    ] = ""
    context: Annotated[
        str,
        typer.Option(
            show_default="the current context", help="Context of the configuration file.", rich_help_panel=_PANEL
        ),
    ] = ""
    mesh: Annotated[
        str, typer.Option(show_default="the context's mesh, or default", help="ID of the mesh.", rich_help_panel=_PANEL)
    ] = ""

    def __post_init__(self) -> None:
        outer = self.ctx.obj
        if isinstance(outer, Session):
            self.output = self.output or outer.output
            self.server = self.server or outer.server
            self.context = self.context or outer.context
            self.mesh = self.mesh or outer.mesh
        self.ctx.obj = self

    @property
    def form(self) -> Format:
        """The output format."""
        return self.output or Format.TABLE

    @cached_property
    def _chosen(self) -> ServerContext:
        return Config.load().context(self.context)

    @property
    def target(self) -> tuple[str, str]:
        """The server to call, and where it is configured."""
        named = (
            (self.server, "--server"),
            (os.environ.get(TARGET_VARIABLE, ""), TARGET_VARIABLE),
            (self._chosen.server, "context"),
            (DEFAULT_TARGET, "default"),
        )
        return next((target, source) for target, source in named if target)

    @property
    def mesh_id(self) -> str:
        """ID of the mesh."""
        return self.mesh or self._chosen.mesh or "default"

    def connect(self) -> grpc.Channel:
        """A connection for the duration of the command. Raises Unavailable if it cannot be established."""
        target, _ = self.target
        channel = grpc.insecure_channel(target, options=OPTIONS)
        self.ctx.call_on_close(channel.close)
        try:
            # The SDK would try for longer: too long for a person who waits.
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            raise Unavailable(Status(code=code_pb2.UNAVAILABLE, message=f"cannot connect to {target}")) from None
        return channel

    @cached_property
    def client(self) -> EgressClient:
        """A client for the command."""
        return EgressClient(channel=self.connect(), mesh=self.mesh_id)

    def show(self, message: Message, show_table: Callable[[], None]) -> None:
        """Prints a reply in the chosen format."""
        if self.form is Format.TABLE:
            show_table()
        else:
            output.emit(output.plain(message), self.form)


def command(group: typer.Typer, name: str, *examples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function that takes a Session a command of the group; the examples are part of its help."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        group.command(name, cls=HelpCommand, epilog="\n  ".join(("Examples:", *examples)))(
            expanded(_reporting(function))
        )
        return function

    return register


def _reporting(function: Callable[..., None]) -> Callable[..., None]:
    """The function with its errors reported: those of the server, and invalid arguments as usage errors."""

    def run(session: Session, **values: Any) -> None:
        try:
            function(session, **values)
        except EgressError as error:
            raise report(error, session.form) from None
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    run.__signature__ = inspect.signature(function, eval_str=True)  # type: ignore[attr-defined]
    run.__doc__ = function.__doc__
    return run
