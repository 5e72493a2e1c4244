"""egressctl probe: what the mesh really does with a connection, with evidence."""

from http import HTTPStatus
from typing import Annotated

import typer
from rich.text import Text

from egress import ProbeResponse
from egress.cli.support.errors import Exit
from egress.cli.support.expectation import describe_expectation
from egress.cli.support.output import out
from egress.cli.support.session import Session, command
from egress.cli.support.values import duration, milliseconds, pairs
from egress.v1.probe_pb2 import ProbeAttempt

_Outcome = ProbeResponse.Outcome


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    command(
        app,
        "probe",
        "egressctl probe http://www.aliyun.com --from local",
        "egressctl probe http://www.aliyun.com --from local --count 20",
        "egressctl probe https://www.aliyun.com --from local/shop --header user-agent=curl -o json",
    )(probe)


def probe(
    session: Session,
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL", help="http or https URL to request, or tls://HOST:PORT or tcp://HOST:PORT to connect to."
        ),
    ],
    source: Annotated[
        str, typer.Option("--from", metavar="cluster[/namespace]", help="Where the workload that connects runs.")
    ],
    count: Annotated[int, typer.Option(min=1, max=100, help="Number of attempts, made one at a time.")] = 1,
    method: Annotated[
        str, typer.Option(metavar="HEAD|GET", show_default="HEAD", help="Method of the HTTP request.")
    ] = "",
    header: Annotated[list[str] | None, typer.Option(metavar="key=value", help="Request header.")] = None,
    resolve: Annotated[str, typer.Option(metavar="address", help="Address to connect to instead of using DNS.")] = "",
    timeout: Annotated[
        float,
        typer.Option(
            parser=duration, metavar="duration", show_default="10s", help="Timeout of an attempt, at most 30s."
        ),
    ] = 10.0,
    min_revision: Annotated[int, typer.Option(help="Wait until the cluster has applied this revision first.")] = 0,
) -> None:
    """Connect to a URL from a workload, as curl -I would, and show what the mesh did, with evidence.

    Exits with status 0 if the result agrees with the policy or if the policy predicts nothing, 4 if it contradicts the
    policy, and 5 if the evidence does not show whether the policy holds.
    """
    cluster, _, namespace = source.partition("/")
    reply = session.client.probe(
        url,
        cluster=cluster,
        namespace=namespace,
        method=method,
        headers=pairs(header or (), "--header"),
        resolve=resolve,
        attempt_timeout=timeout,
        min_applied_revision=min_revision,
        count=count,
    )
    session.show(reply, lambda: _show(reply))
    raise typer.Exit(_status(reply))


def _status(reply: ProbeResponse) -> Exit:
    if reply.HasField("agrees"):
        return Exit.SUCCESS if reply.agrees else Exit.CONTRADICTED
    predicted = reply.expected.outcome != _Outcome.INCONCLUSIVE
    return Exit.UNKNOWN if predicted or reply.outcome == _Outcome.INCONCLUSIVE else Exit.SUCCESS


def _show(reply: ProbeResponse) -> None:
    if reply.attempts:
        _show_response(reply.attempts[-1])
        out().print()
    _show_verdict(reply)
    for cause in reply.causes:
        out().print(f"{cause.code}: {cause.text}")
        for line in cause.evidence.splitlines():
            out().print(f"    {line}", style="dim")
    if reply.attempts:
        out().print()
        _show_details(reply, reply.attempts[-1])


def _show_response(attempt: ProbeAttempt) -> None:
    if not attempt.status:
        failure = attempt.tls_error or attempt.error
        out().print(f"no response: {failure}" if failure else "connected")
        return
    out().print(f"{attempt.http_version} {attempt.status} {_phrase(attempt)}".rstrip())
    for header in attempt.headers:
        out().print(f"{header.name}: {header.value}")


def _phrase(attempt: ProbeAttempt) -> str:
    """The reason phrase, which HTTP/2 does not have and the probe does not keep."""
    known = attempt.http_version.startswith("HTTP/1") and attempt.status in set(HTTPStatus)
    return HTTPStatus(attempt.status).phrase if known else ""


def _show_verdict(reply: ProbeResponse) -> None:
    agrees = {True: ("yes", "bold green"), False: ("NO", "bold red"), None: ("unknown", "yellow")}[
        reply.agrees if reply.HasField("agrees") else None
    ]
    out().print(
        Text.assemble(
            ("outcome ", "dim"), (_Outcome.Name(reply.outcome), "bold"),
            ("   expected ", "dim"), describe_expectation(reply.expected),
            ("   agrees ", "dim"), agrees,
        )
    )  # fmt: skip


def _show_details(reply: ProbeResponse, attempt: ProbeAttempt) -> None:
    timings = [f"{part.name} {milliseconds(length)}" for part, length in attempt.timings.ListFields()]
    facts = {
        "timings": ", ".join(timings),
        "address": f"{attempt.address} ({'captured by the sidecar' if attempt.captured else 'not captured'})",
        "upstream": attempt.upstream or "none",
        "attempts": str(len(reply.attempts)),
        "outcomes": _counts(reply) if len(reply.attempts) > 1 else "",
        "took": _quantiles(reply) if len(reply.attempts) > 1 else "",
        "agent": f"{reply.agent} (cluster at revision {reply.applied_revision})",
        "as curl": reply.curl,
    }
    for name, fact in facts.items():
        if fact:
            out().print(Text.assemble((f"{name:<9}", "dim"), fact))


def _counts(reply: ProbeResponse) -> str:
    most_first = sorted(reply.counts.items(), key=lambda count: (-count[1], count[0]))
    return ", ".join(f"{count} {outcome}" for outcome, count in most_first)


def _quantiles(reply: ProbeResponse) -> str:
    return ", ".join(f"{part.name} {milliseconds(length)}" for part, length in reply.quantiles.ListFields())
