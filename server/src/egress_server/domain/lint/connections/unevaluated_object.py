"""EGR0609: an object that may change the connection in a way that is not evaluated.

EnvoyFilters and WasmPlugins change a sidecar's configuration directly, and routes of the Gateway API can be attached to
services. Explain knows that they apply, and not what they do.
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.observed.foreign_config import unevaluated_name


class UnevaluatedObjectApplies(ExplainRule):
    """One finding per object."""

    code = "EGR0609"
    severity = Severity.WARNING
    title = "object that is not evaluated"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the objects for the workload and the host."""
        foreign, request = connection.effective.foreign, connection.evaluation.request
        host = foreign.full_name(request.namespace, request.destination.host)
        for obj in foreign.unevaluated:
            if obj.applies_to(request.namespace, request.labels, host):
                yield self.finding(
                    "url",
                    f"{foreign.describe(unevaluated_name(obj))} may change what this workload's sidecar does with the "
                    "connection, and is not evaluated: the answer may differ",
                    "check with `egressctl probe`, which asks the sidecar itself",
                )
