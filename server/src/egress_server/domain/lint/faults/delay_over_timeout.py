"""EGR0203: an injected delay that the entry's timeout does not limit.

The delay is injected before the timer starts: with a timeout of 1 s and a delay of 3 s, the answer comes after 3 s. A
test of how callers handle a timeout would pass without testing it.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import faults_with_entries
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault, ServiceEntry


class DelayOverTimeout(Rule[Fault | ServiceEntry]):
    """One finding per fault and entry, on whichever is set last."""

    code = "EGR0203"
    severity = Severity.WARNING
    title = "injected delay that the entry's timeout does not limit"
    applies_to = (Fault, ServiceEntry)

    def check(self, snapshot: Snapshot, resource: Fault | ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the fault's host, or the faults on the entry's hosts."""
        for fault, entry in faults_with_entries(snapshot, resource):
            timeout, delay = entry.traffic.timeout, fault.delay
            if timeout is None or delay is None or delay.seconds < timeout:
                continue
            is_fault = resource is fault
            yield self.finding(
                "delay.fixed_delay" if is_fault else "traffic.timeout",
                f"the timeout of {timeout:g} s starts only after the injected delay of {delay.seconds:g} s, so "
                f"requests to {fault.host} take at least {delay.seconds:g} s and do not time out because of it",
                "expect answers after the delay; to test a timeout, slow down the service itself or abort with 504",
                entry.name if is_fault else fault.name,
            )
