"""EGR0208: a fault whose conditions can't be combined with those of a route.

A VirtualService allows one condition on the path. If a fault and a route of the entry have different regular
expressions for it, no match of Istio selects exactly the requests that satisfy both: the fault would affect requests
that it does not name, or send them elsewhere.
"""

from collections.abc import Collection, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import Entries, FaultRule
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.resources import Fault, MatchKind, Route
from egress_server.domain.render.match import NoCombinationError, combined, render_conditions


class InexpressibleConditions(FaultRule):
    """One finding per route that the fault can't be combined with."""

    code = "EGR0208"
    severity = Severity.ERROR
    title = "fault and route with conditions that Istio can't combine"
    entry_field = "traffic.routes"
    fix = "use exact or prefix in the fault or in the route, or the same regex in both"

    def problems(self, _: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """A sentence for each route that is concerned."""
        return {
            f"a fault can't be restricted to its own requests of traffic.routes[{index}] of {entry.name}: {problem}"
            for entry in entries
            for index, route in enumerate(entry.traffic.routes)
            if (problem := _problem(fault, route))
        }

    def describe(self, fault: Fault, problems: Collection[str], _: Entries) -> Iterator[tuple[str, str]]:
        """Blames the path if it has an expression, because that is the usual case."""
        by_path = fault.match_uri is not None and fault.match_uri.kind is MatchKind.REGEX
        for problem in sorted(problems):
            yield "match_uri" if by_path else "match_headers", problem


def _problem(fault: Fault, route: Route) -> str:
    try:
        combined(render_conditions(fault), render_conditions(route))
    except NoCombinationError as error:
        return str(error)
    return ""
