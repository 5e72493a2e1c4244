"""EGR0602: an entry that the workload can't see.

To the workloads of a namespace, an entry that is not exported to it does not exist: the outbound policy decides as if
the host were unregistered (istio#28994, #36712).
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import matches_host


class HiddenEntry(ExplainRule):
    """One finding per entry."""

    code = "EGR0602"
    severity = Severity.WARNING
    title = "entry that the workload can't see"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Checks the entries for the host and port."""
        request = connection.evaluation.request
        host, port, namespace = request.destination.host, request.destination.port, request.namespace
        items = connection.evaluation.items
        hidden = {item.entry.name: item for item in items if not item.visible and matches_host(item.host, host)}
        for name, item in hidden.items():
            yield self.finding(
                "namespace",
                f"workloads of {namespace} don't see an entry for {item.host} port {port}: it is {item.reason}",
                f"add {item.entry.namespace}/{item.host} to the egress hosts of that Sidecar"
                if item.entry.visible_to(namespace)
                else f"add {namespace} to its export_to",
                name,
            )
