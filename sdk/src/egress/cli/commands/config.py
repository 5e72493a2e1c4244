"""egressctl config: names for servers."""

from typing import Annotated

import typer

from egress.cli.support import config_file
from egress.cli.support.config_file import Config, Context
from egress.cli.support.output import Format, emit, out, table
from egress.cli.support.session import Session, command

group = typer.Typer(name="config", no_args_is_help=True, help="Contexts: names for servers, in a file of yours.")

_COLUMNS = ("CURRENT", "NAME", "SERVER", "MESH")

Name = Annotated[str, typer.Argument(help="Name of the context.")]


@command(group, "get-contexts", "egressctl config get-contexts")
def get_contexts(session: Session) -> None:
    """List the contexts of the configuration file."""
    config = Config.load()
    if session.form is Format.TABLE:
        table(_COLUMNS, (_row(config, name, context) for name, context in sorted(config.contexts.items())))
    else:
        emit(_plain(config), session.form)


@command(group, "use-context", "egressctl config use-context staging")
def use_context(session: Session, name: Name) -> None:
    """Make a context the current one."""
    config = Config.load()
    config.context(name)
    config.current = name
    config.save()
    _tell(session, config, f"The current context is {name}.")


@command(group, "set-context", "egressctl config set-context staging --server egress.staging.internal:9090")
def set_context(session: Session, name: Name) -> None:
    """Create a context, or change one, with the --server and --mesh given here. The first one becomes the current."""
    config = Config.load()
    old = config.contexts.get(name, Context())
    config.contexts[name] = Context(session.server or old.server, session.mesh or old.mesh)
    config.current = config.current or name
    config.save()
    _tell(session, config, f"Context {name} is written to {config_file.path()}.")


@command(group, "view", "egressctl config view", "egressctl config view --context staging -o json")
def view(session: Session) -> None:
    """Show which server and mesh a command would use, and who says so."""
    target, source = session.target
    if session.form is Format.TABLE:
        out().print(f"server  {target} (from {source})")
        out().print(f"mesh    {session.mesh_id}")
        out().print(f"file    {config_file.path()}")
    else:
        file = {"path": str(config_file.path()), **_plain(Config.load())}
        emit({"server": target, "serverFrom": source, "mesh": session.mesh_id, "file": file}, session.form)


def _tell(session: Session, config: Config, words: str) -> None:
    if session.form is Format.TABLE:
        out().print(words)
    else:
        emit(_plain(config), session.form)


def _row(config: Config, name: str, context: Context) -> tuple[str, ...]:
    return ("*" if name == config.current else "", name, context.server, context.mesh)


def _plain(config: Config) -> dict[str, object]:
    contexts = [
        {"name": name, "server": context.server, "mesh": context.mesh} for name, context in config.contexts.items()
    ]
    return {"currentContext": config.current, "contexts": contexts}
