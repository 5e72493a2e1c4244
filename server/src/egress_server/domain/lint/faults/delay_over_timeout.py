"""EGR0203: an injected delay that the entry's timeout does not limit.

The delay is injected before the timer starts: with a timeout of 1 s and a delay of 3 s, the answer comes after 3 s. A
test of how callers handle a timeout would pass without testing it.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry
from egress_server.domain.model.selectors import selectors_overlap


class DelayOverTimeout(Rule[Fault | ServiceEntry]):
    """One finding per fault and entry, on whichever is set last."""

    code = "EGR0203"
    severity = Severity.WARNING
    title = "injected delay that the entry's timeout does not limit"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        if isinstance(resource, Fault):
            for entry in entries_of(snapshot, resource):
                if cause := _cause(resource, entry):
                    yield self._unlimited("delay.fixed_delay", cause, entry.name)
            return
        if resource.traffic.timeout is None:
            return
        for host in resource.hosts:
            for fault in snapshot.indexes.faults_on(host).values():
                if cause := _cause(fault, resource):
                    yield self._unlimited("traffic.timeout", cause, fault.name)

    def _unlimited(self, field: str, cause: str, other: str) -> Finding:
        fix = "expect answers after the delay; to test a timeout, slow down the service itself or abort with 504"
        return self.finding(field, cause, fix, other)


def _cause(fault: Fault, entry: ServiceEntry) -> str | None:
    timeout, delay = entry.traffic.timeout, fault.delay
    if timeout is None or delay is None or delay.seconds < timeout:
        return None
    if not selectors_overlap(fault.cluster_selector, entry.cluster_selector):
        return None
    return (
        f"the timeout of {timeout:g} s starts only after the injected delay of {delay.seconds:g} s, so requests to "
        f"{fault.host} take at least {delay.seconds:g} s and do not time out because of it"
    )
