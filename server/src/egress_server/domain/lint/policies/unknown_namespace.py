"""EGR0505: a namespace that no cluster of the resource has.

Mostly a typo: a policy for a namespace without workloads does nothing, and an entry or fault in a namespace that does
not exist waits for it (PENDING, NAMESPACE_MISSING).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import all_reported
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Selected, ServiceEntry


class UnknownNamespace(Rule[Selected]):
    """One finding per namespace, once clusters have reported theirs."""

    code = "EGR0505"
    severity = Severity.WARNING
    title = "namespace that no cluster of the resource has"
    applies_to = (ServiceEntry, Fault, OutboundPolicy, Interception)

    def check(self, snapshot: Snapshot, resource: Selected) -> Iterator[Finding]:
        """Checks the namespaces that the resource is about."""
        if not all_reported(snapshot, resource.cluster_selector):
            return
        for field, namespace in _namespaces(resource):
            if namespace and not snapshot.inventories.has_namespace(namespace):
                yield self.finding(
                    field,
                    f"no cluster has a namespace {namespace}, so this has no effect until one does",
                    "correct the name; no change is needed if the namespace is still to be created",
                )


def _namespaces(resource: Selected) -> Iterator[tuple[str, str]]:
    """The namespaces that must exist for the resource to have an effect, by field."""
    match resource:
        case OutboundPolicy() | Interception():
            yield "scope.namespace", resource.scope.namespace
        case ServiceEntry():
            yield "name", resource.namespace
        case Fault():
            yield "name", resource.namespace
            yield "source_namespace", resource.source_namespace
