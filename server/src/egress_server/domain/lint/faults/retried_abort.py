"""EGR0207: an abort on a host whose entry has retries.

The sidecar aborts requests before it would retry them: an injected error is not retried, whatever the entry says. A
test that expects retries to hide the errors fails although retries work.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import faults_with_entries
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry


class RetriedAbort(Rule[Fault | ServiceEntry]):
    """One finding per fault and entry, on whichever is set last."""

    code = "EGR0207"
    severity = Severity.INFO
    title = "abort on a host whose entry has retries"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        for fault, entry in faults_with_entries(snapshot, resource):
            retries = entry.traffic.retries
            if not (fault.abort and retries and retries.attempts):
                continue
            is_fault = resource is fault
            yield self.finding(
                "abort" if is_fault else "traffic.retries",
                f"the sidecar aborts requests to {fault.host} before it would retry them: the entry's retries "
                f"({retries.attempts}) do not hide the injected errors",
                "expect callers to see every injected error; to test retries, make the service itself fail",
                entry.name if is_fault else fault.name,
            )
