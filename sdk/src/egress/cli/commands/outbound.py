"""egressctl outbound: whether workloads may reach destinations that no one registered."""

from typing import Annotated

import typer

from egress import OutboundPolicy
from egress.cli.support.lists import page_size, show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import Listing, Mutating
from egress.cli.support.output import table
from egress.cli.support.selectors import clusters, scope
from egress.cli.support.session import Session, command
from egress.cli.support.values import moment, pairs, short

group = typer.Typer(name="outbound", no_args_is_help=True, help="Outbound policies: ALLOW_ANY or REGISTRY_ONLY.")

_COLUMNS = ("NAME", "MODE", "SCOPE", "CLUSTERS", "REVISION", "UPDATED")
_MODES = [mode for mode in OutboundPolicy.Mode.keys() if "UNSPECIFIED" not in mode]  # noqa: SIM118

Policy = Annotated[str, typer.Argument(help="Id or full name of the policy.")]


@command(
    group,
    "set",
    "egressctl outbound set REGISTRY_ONLY --wait verified",
    "egressctl outbound set ALLOW_ANY -n shop --label app=web --reason 'payment provider'",
    "egressctl outbound set REGISTRY_ONLY --cluster-label env=prod --id prod --dry-run",
)
def set_(
    session: Session,
    mutating: Mutating,
    mode: Annotated[str, typer.Argument(metavar="MODE", help=" or ".join(_MODES) + ".", autocompletion=lambda: _MODES)],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where it holds; else the whole mesh.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only for workloads with this label; needs -n.")
    ] = None,
    cluster: Annotated[list[str] | None, typer.Option(help="Only on this cluster; may be repeated.")] = None,
    cluster_label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only on clusters with this label.")
    ] = None,
    id: Annotated[str, typer.Option(help="Id of the policy; else made from where it holds.")] = "",
) -> None:
    """Create an outbound policy, or replace one wholly."""
    reply = session.client.set_outbound_policy(
        mode,
        id=id,
        namespace=namespace,
        match_labels=pairs(label or (), "--label"),
        clusters=cluster or (),
        cluster_labels=pairs(cluster_label or (), "--cluster-label"),
        **mutating.options(),
    )
    finish(session, mutating, reply, f"set to {_mode(reply.outbound_policy)}")


@command(group, "get", "egressctl outbound get", "egressctl outbound get prod -o json")
def get(session: Session, policy: Policy = "default") -> None:
    """Show one policy; without an argument, the mesh's."""
    found = session.client.get_outbound_policy(policy)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl outbound list", """egressctl outbound list --filter 'mode = "REGISTRY_ONLY"'""")
def list_(session: Session, listing: Listing) -> None:
    """List the mesh's policies."""
    pager = session.client.list_outbound_policies(
        filter=listing.filter, order_by=listing.order_by, page_size=page_size(listing.limit)
    )
    show_list(session, pager, lambda page: page.outbound_policies, listing.limit, _COLUMNS, _row)


@command(group, "delete", "egressctl outbound delete prod --reason 'no longer needed' --wait applied")
def delete(session: Session, mutating: Mutating, policy: Policy) -> None:
    """Delete a policy; what holds then is the next in rank, or the mesh's default."""
    finish(session, mutating, session.client.delete_outbound_policy(policy, **mutating.options()), "deleted")


def _mode(policy: OutboundPolicy) -> str:
    return OutboundPolicy.Mode.Name(policy.mode)


def _row(policy: OutboundPolicy) -> tuple[str, ...]:
    return (
        short(policy.name),
        _mode(policy),
        scope(policy.scope),
        clusters(policy.cluster_selector),
        str(policy.revision),
        moment(policy.update_time),
    )
