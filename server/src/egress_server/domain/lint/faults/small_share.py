"""EGR0206: a fault for less than one percent of requests.

Percentages are given in percent: 0.25 means one request in 400, not a quarter (istio#14489). A fault that rare is
easily taken for one that has no effect.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Fault


class SmallShare(Rule[Fault]):
    """One finding each for delay and abort."""

    code = "EGR0206"
    severity = Severity.INFO
    title = "fault for less than one percent of requests"
    applies_to = (Fault,)

    def check(self, _: Snapshot, fault: Fault) -> Iterator[Finding]:
        """Checks the fault alone."""
        for field, effect in (("delay", fault.delay), ("abort", fault.abort)):
            if effect and 0 < effect.percent < 1:
                yield self.finding(
                    f"{field}.percent",
                    f"{effect.percent:g} percent of the requests to {fault.host} is one request in "
                    f"{100 / effect.percent:,.0f}",
                    f"no change is needed if that is meant; otherwise set {100 * effect.percent:g} for a share of "
                    f"{effect.percent:g}",
                )
