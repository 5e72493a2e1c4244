"""EGR0607: pods on which policy is not enforced.

A pod without a sidecar, a pod whose annotations exclude ports or ranges, and a pod in ambient mode (where ztunnel
enforces neither REGISTRY_ONLY nor export_to: istio#54281, #55163) can reach what is blocked for all others in the same
namespace.
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.observed.inventory import PolicyGapKind

_SHOWN = 3
_OF_PODS = frozenset({PolicyGapKind.NOT_CAPTURED, PolicyGapKind.EXCLUDED, PolicyGapKind.AMBIENT})


class UnenforcedPods(ExplainRule):
    """At most one finding, which names the first pods."""

    code = "EGR0607"
    severity = Severity.WARNING
    title = "pods on which policy is not enforced"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the policy gaps in the namespace of the workload."""
        namespace, inventory = connection.evaluation.request.namespace, connection.report.inventory
        gaps = inventory.policy_gaps if inventory else ()
        found = [gap for gap in gaps if gap.namespace == namespace and gap.kind in _OF_PODS]
        if found:
            names = ", ".join(f"{gap.object_kind} {gap.name} ({gap.why})" for gap in found[:_SHOWN])
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            yield self.finding(
                "namespace",
                f"policy is not enforced on all of {namespace}: {names}{more}; this explanation does not apply to them",
                "run `egressctl cluster gaps` for a list of them and the reasons",
                connection.effective.cluster.name,
            )
