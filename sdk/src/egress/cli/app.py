"""The command tree."""

from typing import Annotated

import typer

from egress._client.transport import __version__
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
from egress.cli.support.options import expanded
from egress.cli.support.session import Session

app = typer.Typer(
    name="egressctl",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused, 2 usage, 3 unavailable or timed out, 4 a probe disagrees with the policy.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"egressctl {__version__}")
        raise typer.Exit


def _root(
    session: Session,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """One command for how workloads in Istio meshes reach the outside world, with proof."""


app.callback()(expanded(_root))
for module in (outbound, entry, fault, intercept, mesh, cluster, changes, config):
    app.add_typer(module.group)
cluster_ops.add_to(cluster.group)
probe.add_to(app)
explain.add_to(app)
doctor.add_to(app)
