"""EGR0610: a metadata service that is not reachable.

Workloads with a cloud identity call the metadata service of their node. Under REGISTRY_ONLY the sidecar blocks it, and
no entry may register it (EGR0105): the way is to exclude its address from interception (istio#28994).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.addresses import address_problem
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.probe.verdicts import Outcome


class MetadataService(ExplainRule):
    """At most one finding."""

    code = "EGR0610"
    severity = Severity.INFO
    title = "metadata service that is blocked"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the address that the workload dials."""
        address = connection.evaluation.request.address
        blocked = connection.evaluation.expectation.outcome is Outcome.BLOCKED
        if address and blocked and (problem := address_problem(address)):
            bits = 128 if ":" in address else 32
            yield self.finding(
                "url",
                f"{problem}: no entry can register it, so REGISTRY_ONLY blocks it",
                f"exclude it from interception: egressctl intercept set --exclude {address}/{bits}",
            )
