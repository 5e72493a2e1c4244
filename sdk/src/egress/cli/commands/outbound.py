"""egressctl outbound: whether workloads may reach destinations that are not registered."""

from typing import Annotated

import typer

from egress import OutboundPolicy
from egress.cli.support import help
from egress.cli.support.lists import show_list
from egress.cli.support.mutations import finish
from egress.cli.support.options import (
    ListFlags,
    MutationFlags,
    OnCluster,
    OnClusterLabel,
    ScopeLabel,
    ScopeNamespace,
)
from egress.cli.support.output import table
from egress.cli.support.session import Session, command
from egress.cli.support.values import clusters, moment, pairs, scope, short

group = help.group("outbound", "Manage outbound policies: ALLOW_ANY or REGISTRY_ONLY.")

_MODES = help.choices(OutboundPolicy.Mode.keys())
_COLUMNS = ("NAME", "MODE", "SCOPE", "CLUSTERS", "REVISION", "UPDATED")

Policy = Annotated[str, typer.Argument(help="ID or full name of the policy.")]


@command(
    group,
    "set",
    "egressctl outbound set REGISTRY_ONLY --wait verified",
    "egressctl outbound set ALLOW_ANY -n shop --label app=web --reason 'payment provider'",
    "egressctl outbound set REGISTRY_ONLY --cluster-label env=prod --id prod --dry-run",
)
def set_(
    session: Session,
    mutating: MutationFlags,
    mode: Annotated[
        str,
        typer.Argument(
            metavar="MODE",
            autocompletion=lambda: _MODES,
            help=f"{' or '.join(_MODES)}.",
        ),
    ],
    namespace: ScopeNamespace = "",
    label: ScopeLabel = None,
    cluster: OnCluster = None,
    cluster_label: OnClusterLabel = None,
    id: Annotated[str, typer.Option(show_default="derived from its scope", help="ID of the policy.")] = "",
) -> None:
    """Create or fully replace an outbound policy."""
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
    """Show an outbound policy."""
    found = session.client.get_outbound_policy(policy)
    session.show(found, lambda: table(_COLUMNS, [_row(found)]))


@command(group, "list", "egressctl outbound list", """egressctl outbound list --filter 'mode = "REGISTRY_ONLY"'""")
def list_(session: Session, listing: ListFlags) -> None:
    """List the outbound policies of the mesh."""
    pager = session.client.list_outbound_policies(**listing.options())
    show_list(session, pager, lambda page: page.outbound_policies, listing.limit, _COLUMNS, _row)


@command(group, "delete", "egressctl outbound delete prod --reason 'no longer needed' --wait applied")
def delete(session: Session, mutating: MutationFlags, policy: Policy) -> None:
    """Delete a policy; the next-ranked policy then applies, or the mesh's default."""
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
