"""The command tree."""

from typing import Annotated

import typer

from egress import __version__
from egress.cli.commands import (
    changes,
    cluster,
    cluster_ops,
    config,
    doctor,
    entry,
    explain,
    fault,
    intercept,
    mesh,
    outbound,
    probe,
)
from egress.cli.support.help import HelpGroup
from egress.cli.support.options import expanded
from egress.cli.support.session import Session

app = typer.Typer(
    name="egressctl",
    cls=HelpGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status:\n"
    "  0   success\n"
    "  1   the request was refused, or a cluster failed\n"
    "  2   usage error\n"
    "  3   the server is unavailable, or the timeout expired\n"
    "  4   a probe contradicts the policy",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"egressctl {__version__}")
        raise typer.Exit


def _root(
    session: Session,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Manage and verify how Istio workloads reach external services."""


app.callback()(expanded(_root))
for module in (outbound, entry, fault, intercept, mesh, cluster, changes, config):
    app.add_typer(module.group)
cluster_ops.add_to(cluster.group)
probe.add_to(app)
explain.add_to(app)
doctor.add_to(app)
