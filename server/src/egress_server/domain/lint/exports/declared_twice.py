"""EGR0130: a host and port that two entries of one namespace declare differently.

Istio keeps endpoints by host and namespace: requests go to the endpoints of both entries, even if the two are not
merged and no client sees both. The resolution of the older one applies to all of them.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry, ServicePort
from egress_server.domain.model.selectors import can_coexist, selectors_overlap


class DeclaredTwice(Rule[ServiceEntry]):
    """One finding per host and other entry, about the first port."""

    code = "EGR0130"
    severity = Severity.WARNING
    title = "host and port that two entries declare differently"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA1211",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts in the same namespace."""
        for index, host in enumerate(entry.hosts):
            for other in snapshot.entries_with_host(host).values():
                if other.name == entry.name or other.namespace != entry.namespace:
                    continue
                if found := _first_effect(entry, other):
                    number, effect = found
                    yield self.finding(
                        f"hosts[{index}]",
                        f"{other.name} declares port {number} of {host} as well: {effect}",
                        "keep the port in one of the two, or separate them by cluster selector or namespace",
                        other.name,
                    )


def _first_effect(entry: ServiceEntry, other: ServiceEntry) -> tuple[int, str] | None:
    """The first port that both declare with different settings, and what happens there. EGR0101 covers protocols."""
    if not selectors_overlap(entry.cluster_selector, other.cluster_selector):
        return None
    theirs = {port.number: port for port in other.ports}
    for port in entry.ports:
        if port.number in theirs:
            if entry.resolution is not other.resolution and can_coexist(entry, other):
                return (
                    port.number,
                    "only the older resolution applies, or either one if both entries were created in the same second",
                )
            if _endpoints(entry, port) != _endpoints(other, theirs[port.number]):
                return port.number, "requests go to the endpoints of both, whichever entry a client sees"
    return None


def _endpoints(entry: ServiceEntry, port: ServicePort) -> tuple[object, ...]:
    return entry.resolution, entry.endpoints, entry.workload_selector, port.target_port or port.number
