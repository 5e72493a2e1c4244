"""EGR0703: HTTP and opaque TCP on one port, one of them from an unmanaged Service or entry.

A sidecar has one listener per port, and with any HTTP service on it the sidecar waits for the client's first bytes: a
server that speaks first does not work there. Any HTTP port of a Service of the mesh has this effect on a TCP entry.
Only single addresses, such as a Service's cluster IP, are separate.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.listener_protocol import OPAQUE, ListenerProtocol, listener_protocol
from egress_server.domain.lint.dns_capture import is_allocated
from egress_server.domain.lint.foreign_objects import foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import can_coexist
from egress_server.domain.observed.foreign_services import ForeignService


class ForeignProtocolConflict(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0703"
    severity = Severity.WARNING
    title = "HTTP and TCP on one port, one of them unmanaged"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA1212",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign services that use the same listeners for other protocols."""
        for index, port in enumerate(entry.ports):
            how = listener_protocol(entry, port)
            if how in OPAQUE and is_allocated(snapshot, entry):
                continue
            conflicts = OPAQUE if how is ListenerProtocol.HTTP else (ListenerProtocol.HTTP,) if how in OPAQUE else ()
            if found := next(_using(snapshot, entry, port.number, conflicts), None):
                cluster, other = found
                protocol = next(p.protocol.label for p in other.entry.ports if p.number == port.number)
                fix = f"use another port for {entry.hosts[0]}"
                yield self.finding(
                    f"ports[{index}].protocol",
                    f"on cluster {cluster.id}, {other.description} declares port {port.number} as {protocol} for "
                    f"{other.entry.hosts[0]}, but it is {port.protocol.label} here: with HTTP on the port, sidecars "
                    "wait for the client's first bytes, and a server that speaks first, as many databases do, does not "
                    "work",
                    fix if how is ListenerProtocol.HTTP else f"{fix}, or set addresses to its single addresses",
                )


def _using(
    snapshot: Snapshot, entry: ServiceEntry, number: int, kinds: tuple[ListenerProtocol, ...]
) -> Iterator[tuple[Cluster, ForeignService]]:
    for how in kinds:
        for cluster, other in foreign_on_clusters(snapshot, entry, snapshot.inventories.on_port(number, how)):
            if can_coexist(entry, other.entry):
                yield cluster, other
