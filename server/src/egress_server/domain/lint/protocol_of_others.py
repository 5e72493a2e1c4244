"""EGR0703: a port that is HTTP here and not there, where there is a Service or an entry of somebody else.

A sidecar has one listener for a port, HTTP for all hosts or for none. Two that use it otherwise get into each other's
way, whoever wrote them; only TCP and TLS at single addresses stand apart, such as those of a Service's cluster IP.
"""

from collections.abc import Iterator

from egress_server.domain.findings import Finding, Severity
from egress_server.domain.lint.beside import others, title
from egress_server.domain.lint.rule import Rule
from egress_server.domain.listeners import NOT_HTTP, Listens, listens
from egress_server.domain.neighbours import Neighbour
from egress_server.domain.overlap import meet
from egress_server.domain.resources import Cluster, ServiceEntry
from egress_server.domain.snapshot import Snapshot


class ProtocolOfOthers(Rule[ServiceEntry]):
    """One finding for each port."""

    code = "EGR0703"
    severity = Severity.WARNING
    title = "a port that is HTTP for one and not for the other, who is not ours"
    on = (ServiceEntry,)
    related_codes = ("IST0177",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at who uses the same listeners otherwise."""
        for index, port in enumerate(entry.ports):
            how = listens(entry, port)
            if how is None:
                continue
            otherwise = NOT_HTTP if how is Listens.HTTP else (Listens.HTTP,)
            if found := next(_using(snapshot, entry, port.number, otherwise), None):
                cluster, theirs = found
                protocol = next(p.protocol.value for p in theirs.entry.ports if p.number == port.number)
                yield self.found(
                    f"ports[{index}].protocol",
                    f"on cluster {cluster.id} port {port.number} is {protocol} for {theirs.entry.hosts[0]} in "
                    f"{title(theirs)}, and {port.protocol.value} here: a port is HTTP for all hosts or for none, and "
                    "one of the two does not work",
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
