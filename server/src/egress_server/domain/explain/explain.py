"""Explains what will happen to a connection and which resource decides it, without any traffic: from desired state and
from the foreign configuration on the cluster.

The outcome is simulate's; this package adds the reasons, for the resource that decides as well as for those that don't.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from egress_server.domain.desired.cluster_view import NO_REPORT, ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.explain.candidates import Candidate, candidates
from egress_server.domain.explain.live import expected_live, live_step
from egress_server.domain.explain.steps import steps
from egress_server.domain.lint.engine import lint, lint_connection
from egress_server.domain.lint.rule import Connection
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import Resource
from egress_server.domain.probe.verdicts import Expectation
from egress_server.domain.simulate.evaluate import Evaluation, Request, evaluate


@dataclass(frozen=True, slots=True)
class Explanation:
    """The expected outcome, the steps that lead to it, every resource that could have decided with the one that does
    first, and findings; as of `revision`. `live` is what the sidecar's configuration does with the connection, if the
    expected outcome is based on that; `observe_time` is when the foreign objects were observed, None if never."""

    expected: Expectation
    steps: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    revision: int
    live: LiveReport | None = None
    observe_time: datetime | None = None


def explain(
    snapshot: Snapshot,
    effective: Effective,
    request: Request,
    report: ClusterReport = NO_REPORT,
    live: LiveReport | None = None,
) -> Explanation:
    """The explanation of one connection; `effective` is what takes effect on the cluster, given `snapshot`.

    The sidecar's configuration decides, if `live` has it, unless the connection bypasses the sidecar or may do so.
    """
    evaluation = evaluate(effective, request)
    if evaluation.capture.captured is not True:
        live = None
    connection = Connection(snapshot, effective, evaluation, report, live)
    expected, found = evaluation.expectation, tuple(steps(effective, evaluation))
    return Explanation(
        expected=expected_live(expected, live.decision) if live else expected,
        steps=(*found, live_step(live.decision)) if live else found,
        candidates=tuple(candidates(connection)),
        findings=(*lint_connection(connection), *_resource_findings(snapshot, evaluation)),
        revision=effective.revision,
        live=live,
        observe_time=report.inventory.observe_time if report.inventory else None,
    )


def _resource_findings(snapshot: Snapshot, evaluation: Evaluation) -> Iterator[Finding]:
    """The findings that the resources which handle the connection would have if they were set again, those that two
    of them share once."""
    involved: dict[str, Resource] = {}
    if evaluation.owner and is_resource(evaluation.owner.entry.name):
        involved[evaluation.owner.entry.name] = evaluation.owner.entry
    if evaluation.fault:
        involved[evaluation.fault.fault.name] = evaluation.fault.fault
    deciding = evaluation.expectation.resource
    if is_resource(deciding) and (known := snapshot.get(deciding)):
        involved[known.resource.name] = known.resource
    told: dict[tuple[str, str], str] = {}
    for name, resource in involved.items():
        for finding in lint(snapshot, resource).findings:
            if told.setdefault((finding.code, finding.cause), name) == name:
                yield finding if finding.resource else replace(finding, resource=name)
