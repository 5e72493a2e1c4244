"""egressctl explain and registry: what the policies amount to, without sending traffic."""

from typing import Annotated

import typer

from egress import ExplainResponse
from egress.cli.support import findings
from egress.cli.support.expectation import describe_expectation
from egress.cli.support.lists import show_list
from egress.cli.support.options import ListFlags
from egress.cli.support.output import out, table
from egress.cli.support.session import Session, command
from egress.cli.support.values import moment, pairs
from egress.v1.explain_pb2 import ExplainRequest, ListRegistryResponse

_CANDIDATES = ("WINS", "RESOURCE", "REVISION", "REASON")
_REGISTRY = ("HOST", "PORT", "PROTOCOL", "VISIBLE", "OWNER", "SHADOWED BY", "REASON")

Source = Annotated[
    str,
    typer.Option("--from", metavar="cluster[/namespace]", help="Where the workload runs."),
]


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    command(
        app,
        "explain",
        "egressctl explain http://www.aliyun.com --from local",
        "egressctl explain tcp://db.example.com:5432 --from local/shop --source-label app=web -o json",
        "egressctl explain http://www.aliyun.com/x --from local --method GET --header user-agent=curl --model",
        "egressctl explain https://www.aliyun.com --from local --resolve 203.0.113.10 --live",
    )(explain)
    command(
        app,
        "registry",
        "egressctl registry --from local",
        """egressctl registry --from local/shop --filter 'host = "www.aliyun.com"'""",
    )(registry)


def explain(
    session: Session,
    url: Annotated[str, typer.Argument(metavar="URL", help="http, https, tls or tcp URL of the destination.")],
    source: Source,
    label: Annotated[
        list[str] | None,
        typer.Option("--source-label", "--label", metavar="key=value", help="Label of the workload."),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="method", show_default="HEAD", help="Method of the HTTP request, such as POST.")
    ] = "",
    header: Annotated[list[str] | None, typer.Option(metavar="key=value", help="Request header.")] = None,
    resolve: Annotated[str, typer.Option(metavar="address", help="Address that the workload connects to.")] = "",
    live: Annotated[
        bool, typer.Option("--live", help="By the configuration of the workload's sidecar; needs an agent next to it.")
    ] = False,
    model: Annotated[
        bool, typer.Option("--model", help="By policy and the observed objects on the cluster only.")
    ] = False,
) -> None:
    """Explain what will happen to a connection, and which resource decides it. Does not send traffic.

    By default it evaluates the configuration of the workload's sidecar if an agent runs next to it, and otherwise
    predicts from policy and the observed objects on the cluster.
    """
    if live and model:
        raise typer.BadParameter("--live and --model exclude each other")
    cluster, _, namespace = source.partition("/")
    reply = session.client.explain(
        url,
        cluster=cluster,
        namespace=namespace,
        labels=pairs(label or (), "--source-label"),
        method=method,
        headers=pairs(header or (), "--header"),
        resolve=resolve,
        basis="live" if live else "model" if model else None,
    )
    session.show(reply, lambda: _show(reply))


def registry(session: Session, listing: ListFlags, source: Source) -> None:
    """List the service registry as seen from a namespace of a cluster."""
    cluster, _, namespace = source.partition("/")
    pager = session.client.list_registry(cluster, namespace=namespace, **listing.options())
    show_list(session, pager, lambda page: page.items, listing.limit, _REGISTRY, _row)


def _show(reply: ExplainResponse) -> None:
    out().print(f"expected {describe_expectation(reply.expected)} at revision {reply.revision}")
    out().print(f"based on {_basis(reply)}", style="dim")
    for number, step in enumerate(reply.steps, 1):
        out().print(f"{number}. {step}")
    if reply.candidates:
        out().print()
        table(_CANDIDATES, map(_candidate, reply.candidates))
    findings.show(out(), reply.findings)


def _basis(reply: ExplainResponse) -> str:
    """What the outcome is based on, and of when that is."""
    since = f", {moment(reply.basis_time)}" if reply.HasField("basis_time") else ""
    if reply.basis == ExplainRequest.LIVE:
        return f"LIVE: the sidecar next to agent {reply.agent}{since}"
    return f"MODEL: policy and observed objects{since}"


def _candidate(candidate: ExplainResponse.Candidate) -> tuple[str, ...]:
    return ("yes" if candidate.wins else "no", candidate.resource, str(candidate.revision), candidate.reason)


def _row(item: ListRegistryResponse.Item) -> tuple[str, ...]:
    return (
        item.host,
        str(item.port),
        item.protocol,
        "yes" if item.visible else "no",
        f"{item.owner} ({item.manager})" if item.manager else item.owner,
        item.shadowed_by,
        item.reason,
    )
