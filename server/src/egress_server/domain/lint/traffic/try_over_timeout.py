"""EGR0118: a timeout per try that is not shorter than the timeout of the request.

The timeout of the request includes all retries. If the first try may take as long as the whole request, there is never
time for a second one, and the retries have no effect on slow answers.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class TryOverTimeout(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0118"
    severity = Severity.WARNING
    title = "timeout per try not shorter than the request's timeout"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        timeout, retries = entry.traffic.timeout, entry.traffic.retries
        tries = retries.attempts + 1 if retries else 1
        if timeout and retries and retries.attempts and retries.per_try_timeout and retries.per_try_timeout >= timeout:
            yield self.finding(
                "traffic.retries.per_try_timeout",
                f"the first try may take {retries.per_try_timeout:g} s, and the whole request {timeout:g} s: a slow "
                "answer uses up the time for all retries",
                f"set per_try_timeout to less than {timeout:g} s, such as {round(timeout / tries, 3):g} s for "
                f"{tries} tries, or set a longer timeout",
            )
