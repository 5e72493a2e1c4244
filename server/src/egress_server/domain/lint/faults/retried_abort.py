"""EGR0207: an abort on a host whose entry has retries.

The sidecar aborts requests before it would retry them: an injected error is not retried, whatever the entry says. A
test that expects retries to hide the errors fails although retries work.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry
from egress_server.domain.model.selectors import selectors_overlap


class RetriedAbort(Rule[Fault | ServiceEntry]):
    """One finding per fault and entry, on whichever is set last."""

    code = "EGR0207"
    severity = Severity.INFO
    title = "abort on a host whose entry has retries"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        if isinstance(resource, Fault):
            for entry in entries_of(snapshot, resource) if resource.abort else ():
                if _retries(entry):
                    yield self._not_retried("abort", resource, entry, entry.name)
        elif _retries(resource):
            for host in resource.hosts:
                for fault in snapshot.indexes.faults_on(host).values():
                    if fault.abort and selectors_overlap(fault.cluster_selector, resource.cluster_selector):
                        yield self._not_retried("traffic.retries", fault, resource, fault.name)

    def _not_retried(self, field: str, fault: Fault, entry: ServiceEntry, other: str) -> Finding:
        attempts = entry.traffic.retries.attempts if entry.traffic.retries else 0
        return self.finding(
            field,
            f"the sidecar aborts requests to {fault.host} before it would retry them: the entry's retries "
            f"({attempts}) do not hide the injected errors",
            "expect callers to see every injected error; to test retries, make the service itself fail",
            other,
        )


def _retries(entry: ServiceEntry) -> bool:
    return entry.traffic.retries is not None and entry.traffic.retries.attempts > 0
