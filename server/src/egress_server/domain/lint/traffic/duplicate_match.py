"""EGR0119: two routes with the same conditions.

Routes are tried in order and the first one that matches is used, so a later route with the same conditions never gets a
request.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class DuplicateMatch(Rule[ServiceEntry]):
    """One finding per route that never gets a request."""

    code = "EGR0119"
    severity = Severity.WARNING
    title = "route with the same conditions as an earlier one"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0131",)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone. The order of conditions does not matter."""
        first: dict[object, int] = {}
        for index, route in enumerate(entry.traffic.routes):
            texts = (route.match_uri, route.match_method, route.match_authority)
            earlier = first.setdefault((frozenset(route.match_headers), *texts), index)
            if earlier != index:
                yield self.finding(
                    f"traffic.routes[{index}]",
                    f"traffic.routes[{earlier}] has the same conditions and is tried first, so this route never gets a "
                    "request",
                    f"remove one of the two routes, or add its destinations to traffic.routes[{earlier}] with weights",
                )
