"""EGR0703: a port with HTTP here and opaque TCP there, or the reverse, of a Service or an entry of somebody else.

A sidecar has one listener for a port, and with any HTTP service on it the sidecar waits for the client's first bytes:
a server that speaks first there is not heard. Any HTTP port of a Service of the mesh does that to a TCP entry. Only
single addresses stand apart, such as those of a Service's cluster IP.
"""

from collections.abc import Iterator

from egress_server.domain.findings import Finding, Severity
from egress_server.domain.lint.beside import others, title
from egress_server.domain.lint.rule import Rule
from egress_server.domain.listeners import OPAQUE, Listens, listens
from egress_server.domain.neighbours import Neighbour
from egress_server.domain.overlap import meet
from egress_server.domain.resources import Cluster, ServiceEntry
from egress_server.domain.snapshot import Snapshot


class ProtocolOfOthers(Rule[ServiceEntry]):
    """One finding for each port."""

    code = "EGR0703"
    severity = Severity.WARNING
    title = "a port with HTTP for one and TCP for the other, who is not ours"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at who uses the same listeners otherwise."""
        for index, port in enumerate(entry.ports):
            how = listens(entry, port)
            otherwise = OPAQUE if how is Listens.HTTP else (Listens.HTTP,) if how in OPAQUE else ()
            if found := next(_using(snapshot, entry, port.number, otherwise), None):
                cluster, theirs = found
                protocol = next(p.protocol.value for p in theirs.entry.ports if p.number == port.number)
                yield self.found(
                    f"ports[{index}].protocol",
                    f"on cluster {cluster.id} port {port.number} is {protocol} for {theirs.entry.hosts[0]} in "
                    f"{title(theirs)}, and {port.protocol.value} here: with HTTP on it sidecars wait for what the "
                    "client says first, and a server that speaks first, as databases do, is not heard",
                    f"serve {entry.hosts[0]} on another port"
                    + ("" if how is Listens.HTTP else ", or give it the single addresses at which it is dialled"),
                )


def _using(
    snapshot: Snapshot, entry: ServiceEntry, number: int, kinds: tuple[Listens, ...]
) -> Iterator[tuple[Cluster, Neighbour]]:
    for how in kinds:
        for cluster, theirs in others(snapshot, entry, snapshot.inventories.on_port(number, how)):
            if meet(entry, theirs.entry):
                yield cluster, theirs
