"""EGR0606: a resource for the connection that the cluster does not hold.

A cluster may be unable to hold a resource: its namespace is missing, Istio's webhook rejects the object, or an
unmanaged object has its name. Connections are then handled as if the resource did not exist, or by the part of it that
the cluster holds.
"""

from collections.abc import Iterator

from egress_server.domain.desired.cluster_view import describe_obstacle
from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.simulate.evaluate import may_apply


class ResourceNotHeld(ExplainRule):
    """One finding per resource."""

    code = "EGR0606"
    severity = Severity.WARNING
    title = "resource that the cluster does not hold"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the obstacles that the cluster's applier has reported."""
        for name, problem in connection.report.obstacles.items():
            known = connection.snapshot.get(name)
            if known and may_apply(known.resource, connection.evaluation.request):
                how = "by that part alone" if problem.held else "as if it did not exist"
                yield self.finding(
                    "cluster",
                    f"{describe_obstacle(problem)}; the connection is handled {how}",
                    "see the rollout of its change for details",
                    name,
                )
