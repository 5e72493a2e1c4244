"""EGR0703: a port with HTTP here and opaque TCP there, or the reverse, of a Service or an entry of somebody else.

A sidecar has one listener for a port, and with any HTTP service on it the sidecar waits for the client's first bytes:
a server that speaks first there is not heard. Any HTTP port of a Service of the mesh does that to a TCP entry. Only
single addresses stand apart, such as those of a Service's cluster IP.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import others, title
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.listener_protocol import OPAQUE, ListenerProtocol, listener_protocol
from egress_server.domain.model.resources import Cluster, ServiceEntry
from egress_server.domain.model.selectors import can_coexist
from egress_server.domain.observed.foreign_services import ForeignService


class ForeignProtocolConflict(Rule[ServiceEntry]):
    """One finding for each port."""

    code = "EGR0703"
    severity = Severity.WARNING
    title = "a port with HTTP for one and TCP for the other, who is not ours"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at who uses the same listeners otherwise."""
        for index, port in enumerate(entry.ports):
            how = listener_protocol(entry, port)
            otherwise = OPAQUE if how is ListenerProtocol.HTTP else (ListenerProtocol.HTTP,) if how in OPAQUE else ()
            if found := next(_using(snapshot, entry, port.number, otherwise), None):
                cluster, theirs = found
                protocol = next(p.protocol.value for p in theirs.entry.ports if p.number == port.number)
                yield self.found(
                    f"ports[{index}].protocol",
                    f"on cluster {cluster.id} port {port.number} is {protocol} for {theirs.entry.hosts[0]} in "
                    f"{title(theirs)}, and {port.protocol.value} here: with HTTP on it sidecars wait for what the "
                    "client says first, and a server that speaks first, as databases do, is not heard",
                    f"serve {entry.hosts[0]} on another port"
                    + (
                        ""
                        if how is ListenerProtocol.HTTP
                        else ", or give it the single addresses at which it is dialled"
                    ),
                )


def _using(
    snapshot: Snapshot, entry: ServiceEntry, number: int, kinds: tuple[ListenerProtocol, ...]
) -> Iterator[tuple[Cluster, ForeignService]]:
    for how in kinds:
        for cluster, theirs in others(snapshot, entry, snapshot.inventories.on_port(number, how)):
            if can_coexist(entry, theirs.entry):
                yield cluster, theirs
