"""egressctl mesh: the policy domain that everything belongs to."""

from typing import Annotated, Literal

import typer

from egress import Mesh
from egress.cli.support.mutations import finish
from egress.cli.support.options import Mutating
from egress.cli.support.output import table
from egress.cli.support.session import Session, command
from egress.cli.support.values import joined, moment, pairs, short

group = typer.Typer(name="mesh", no_args_is_help=True, help="The mesh: one domain of policies.")

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
    mutating: Mutating,
    display_name: Annotated[str, typer.Option(help="Name for people; without it, none.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label; may be repeated. Without it, none.")
    ] = None,
    drift: Annotated[
        Literal["heal", "report"] | None,
        typer.Option(help="What happens to objects of ours that somebody else changed; left out, as it was."),
    ] = None,
) -> None:
    """Replace display name and labels of the mesh, both. With --drift alone they stay as they are."""
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
