"""Explains what will happen to a connection and which resource decides it, without any traffic: from desired state and
from the foreign configuration on the cluster.

The outcome is simulate's; this package adds the reasons, for the resource that decides as well as for those that don't.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from egress_server.domain.desired.cluster_view import NO_REPORT, ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.explain.candidates import Candidate, candidates
from egress_server.domain.explain.steps import steps
from egress_server.domain.lint.engine import lint, lint_connection
from egress_server.domain.lint.rule import Connection
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import Resource
from egress_server.domain.probe.verdicts import Expectation
from egress_server.domain.simulate.evaluate import Evaluation, Request, evaluate


@dataclass(frozen=True, slots=True)
class Explanation:
    """The expected outcome, the steps that lead to it, every resource that could have decided with the one that does
    first, and findings; as of `revision`."""

    expected: Expectation
    steps: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    findings: tuple[Finding, ...]
    revision: int


def explain(
    snapshot: Snapshot, effective: Effective, request: Request, report: ClusterReport = NO_REPORT
) -> Explanation:
    """The explanation of one connection; `effective` is what takes effect on the cluster, given `snapshot`."""
    evaluation = evaluate(effective, request)
    connection = Connection(snapshot, effective, evaluation, report)
    return Explanation(
        expected=evaluation.expectation,
        steps=tuple(steps(effective, evaluation)),
        candidates=tuple(candidates(connection)),
        findings=(*lint_connection(connection), *_resource_findings(snapshot, evaluation)),
        revision=effective.revision,
    )


def _resource_findings(snapshot: Snapshot, evaluation: Evaluation) -> Iterator[Finding]:
    """The findings that the resources which handle the connection would have if they were set again."""
    involved: dict[str, Resource] = {}
    if evaluation.owner and is_resource(evaluation.owner.entry.name):
        involved[evaluation.owner.entry.name] = evaluation.owner.entry
    if evaluation.fault:
        involved[evaluation.fault.fault.name] = evaluation.fault.fault
    deciding = evaluation.expectation.resource
    if is_resource(deciding) and (known := snapshot.get(deciding)):
        involved[known.resource.name] = known.resource
    for name, resource in involved.items():
        for finding in lint(snapshot, resource).findings:
            yield finding if finding.resource else replace(finding, resource=name)
