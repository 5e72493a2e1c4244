"""EGR0121: a port declared as MYSQL or REDIS, which sidecars forward as TCP.

Istio's filters for these protocols are off unless istiod has PILOT_ENABLE_MYSQL_FILTER or PILOT_ENABLE_REDIS_FILTER.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Protocol, ServiceEntry

_FORWARDED_AS_TCP = frozenset({Protocol.MYSQL, Protocol.REDIS})


class DatabaseProtocol(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0121"
    severity = Severity.INFO
    title = "database protocol that sidecars forward as TCP"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        for index, port in enumerate(entry.ports):
            if port.protocol in _FORWARDED_AS_TCP:
                yield self.finding(
                    f"ports[{index}].protocol",
                    f"unless istiod has PILOT_ENABLE_{port.protocol.value}_FILTER, sidecars forward port {port.number} "
                    "as TCP: without command metrics, and distinguished by address only",
                    "no change is needed",
                )
