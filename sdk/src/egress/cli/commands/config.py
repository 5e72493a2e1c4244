"""egressctl config: named servers."""

from typing import Annotated

import typer

from egress.cli.support import config_file, help
from egress.cli.support.config_file import Config, ServerContext
from egress.cli.support.output import Format, emit, out, table
from egress.cli.support.session import Session, command

group = help.group("config", "Manage contexts: named servers in the configuration file.")

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
    """Set the current context."""
    config = Config.load()
    config.context(name)
    config.current = name
    config.save()
    _show(session, config, f"Switched to context {name}.")


@command(group, "set-context", "egressctl config set-context staging --server egress.staging.internal:9090")
def set_context(session: Session, name: Name) -> None:
    """Create a context, or change its --server and --mesh. The first context becomes the current one."""
    config = Config.load()
    old = config.contexts.get(name, ServerContext())
    config.contexts[name] = ServerContext(session.server or old.server, session.mesh or old.mesh)
    config.current = config.current or name
    config.save()
    _show(session, config, f"Context {name} saved in {config_file.path()}.")


@command(group, "view", "egressctl config view", "egressctl config view --context staging -o json")
def view(session: Session) -> None:
    """Show which server and mesh a command would use, and where that is configured."""
    target, source = session.target
    if session.form is Format.TABLE:
        out().print(f"server  {target} (from {source})")
        out().print(f"mesh    {session.mesh_id}")
        out().print(f"file    {config_file.path()}")
    else:
        file = {"path": str(config_file.path()), **_plain(Config.load())}
        emit({"server": target, "serverFrom": source, "mesh": session.mesh_id, "file": file}, session.form)


def _show(session: Session, config: Config, words: str) -> None:
    if session.form is Format.TABLE:
        out().print(words)
    else:
        emit(_plain(config), session.form)


def _row(config: Config, name: str, context: ServerContext) -> tuple[str, ...]:
    return ("*" if name == config.current else "", name, context.server, context.mesh)


def _plain(config: Config) -> dict[str, object]:
    contexts = [
        {"name": name, "server": context.server, "mesh": context.mesh} for name, context in config.contexts.items()
    ]
    return {"currentContext": config.current, "contexts": contexts}
