"""egressctl mesh: the domain that policies belong to."""

from typing import Annotated, Literal

import typer

from egress import Mesh
from egress.cli.support import help
from egress.cli.support.mutations import finish
from egress.cli.support.options import MutationFlags
from egress.cli.support.output import table
from egress.cli.support.session import Session, command
from egress.cli.support.values import joined, moment, pairs, short

group = help.group("mesh", "Show and update the mesh: the domain that policies belong to.")

_COLUMNS = ("NAME", "DISPLAY NAME", "DRIFT", "LABELS", "REVISION", "UPDATED")


@command(group, "get", "egressctl mesh get", "egressctl mesh get --mesh default -o yaml")
def get(session: Session) -> None:
    """Show the mesh."""
    found = session.client.get_mesh()
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(
    group,
    "update",
    "egressctl mesh update --display-name Production --label team=platform",
    "egressctl mesh update --drift report",
)
def update(
    session: Session,
    mutating: MutationFlags,
    display_name: Annotated[str, typer.Option(show_default="none", help="Display name.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="key=value", show_default="none", help="Label.")] = None,
    drift: Annotated[
        Literal["heal", "report"] | None,
        typer.Option(show_default="unchanged", help="What happens to managed objects that another client changed."),
    ] = None,
) -> None:
    """Replace the display name and labels of the mesh. With only --drift, they are kept."""
    labels, options = pairs(label or (), "--label"), mutating.options()
    if drift and not (display_name or labels):
        found = session.client.get_mesh()
        display_name, labels = found.display_name, dict(found.labels)
        options["etag"] = options["etag"] or found.etag
    changed = session.client.update_mesh(display_name=display_name, labels=labels, drift_policy=drift or "", **options)
    finish(session, mutating, changed, "updated")


def _row(mesh: Mesh) -> tuple[str, ...]:
    return (
        short(mesh.name),
        mesh.display_name,
        Mesh.DriftPolicy.Name(mesh.drift_policy) if mesh.drift_policy else "",
        joined(mesh.labels),
        str(mesh.revision),
        moment(mesh.update_time),
    )
