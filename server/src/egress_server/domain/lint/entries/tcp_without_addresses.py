"""EGR0106: a TCP port of an entry without addresses captures every connection to that port.

The sidecar listens on every address of the port, even under REGISTRY_ONLY: with resolution DNS or STATIC, connections
to any other server on that port are sent to this entry's host; with NONE they all pass.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.dns_capture import catch_all_ports
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry


class TcpWithoutAddresses(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0106"
    severity = Severity.WARNING
    title = "TCP port without addresses captures every connection to that port"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0134",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry, and whether istiod allocates addresses for it."""
        passes = entry.resolution is Resolution.NONE
        effect = "passes, whatever its address" if passes else f"is sent to {entry.hosts[0]}, whatever its address"
        for index, port in catch_all_ports(snapshot, entry):
            yield self.finding(
                f"ports[{index}].number",
                f"without addresses, {port.protocol.label} port {port.number} listens on every address: every "
                f"connection to port {port.number} {effect}, even under REGISTRY_ONLY",
                f"set addresses to those of {entry.hosts[0]}",
            )
