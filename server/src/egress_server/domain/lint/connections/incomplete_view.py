"""EGR0604: an incomplete view of the configuration on the cluster.

Unmanaged entries, VirtualServices, Sidecars and Services take effect as well, and the cluster's applier reports them.
Until it has observed the cluster, while it can't reach it, and if the cluster has more objects than are kept, explain
knows less than a sidecar does. The same is true of former states of managed resources, while the applier is held or
fails.
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.status import Phase

_NOT_APPLYING = frozenset({Phase.HELD, Phase.FAILED})


class IncompleteView(ExplainRule):
    """At most one finding."""

    code = "EGR0604"
    severity = Severity.WARNING
    title = "incomplete view of the cluster's configuration"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks what the cluster's applier has reported."""
        if reason := _reason(connection):
            yield self.finding(
                "cluster",
                f"{reason}, so this explanation may be incomplete",
                "probe the destination to see what a workload really gets",
                connection.effective.cluster.name,
            )


def _reason(connection: Connection) -> str:
    """Why the cluster's configuration is not fully known; empty if it is."""
    report = connection.report
    status = report.status
    if status and status.phase in _NOT_APPLYING and status.applied_revision < connection.snapshot.revision:
        problem = f" ({status.problem.reason})" if status.problem else ""
        return (
            f"the cluster is {status.phase.value}{problem} at revision {status.applied_revision}: resources that have "
            "been changed or deleted since are still there in their former state"
        )
    if not isinstance(connection.effective.cluster.target, KubernetesTarget):
        return ""
    if report.inventory is None:
        return "the cluster's other configuration has not been observed yet"
    if report.status is None or report.status.phase is Phase.OFFLINE:
        time = report.inventory.observe_time.isoformat(timespec="seconds")
        return f"the cluster is unreachable, and its other configuration was last observed at {time}"
    if left_out := {kind: count for kind, count in report.inventory.left_out.items() if count}:
        counts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(left_out.items()))
        return f"the cluster has more unmanaged objects than are kept ({counts} left out)"
    return ""
