"""EGR0102: different TCP hosts on one port, neither with addresses.

TCP carries no name, so without addresses both entries listen on every address of the port. A sidecar keeps one of
them, the older, and connections for the other host land on it: the wrong database answers. Where both have resolution
NONE every connection still goes where it was going, so nothing is misled; then only EGR0106 speaks.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.listener_protocol import ListenerProtocol, listener_protocol, tcp_without_addresses
from egress_server.domain.model.resources import ServiceEntry, ServicePort

_MISLEADS = {
    ListenerProtocol.TAKES_ALL: (ListenerProtocol.TAKES_ALL, ListenerProtocol.PASSES_ALL),
    ListenerProtocol.PASSES_ALL: (ListenerProtocol.TAKES_ALL,),
}


class SharedTcpPort(Rule[ServiceEntry]):
    """One finding for each port, naming the first entry that it conflicts with."""

    code = "EGR0102"
    severity = Severity.ERROR
    title = "different TCP hosts on one port without addresses"
    on = (ServiceEntry,)
    forceable = True
    related_codes = ("IST0134",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entries whose TCP port of this number has no addresses."""
        for index, port in tcp_without_addresses(entry):
            if other := _rival(snapshot, entry, port):
                yield self.found(
                    f"ports[{index}].number",
                    f"{entry.hosts[0]} and {_another(other, entry)} of {other.name} are both TCP on port {port.number} "
                    "without addresses; a sidecar that sees both can't tell them apart, and sends connections for one "
                    "to the other",
                    "give each entry the addresses of its host, or keep the two apart by export_to or cluster selector",
                    other.name,
                )

    def reads(self, _: Snapshot, entry: ServiceEntry) -> Iterator[str]:
        """The buckets of its TCP ports without addresses."""
        return (f"tcp/{port.number}" for _, port in tcp_without_addresses(entry))


def _rival(snapshot: Snapshot, entry: ServiceEntry, port: ServicePort) -> ServiceEntry | None:
    how = listener_protocol(entry, port)
    misled_by = _MISLEADS.get(how, ()) if how else ()
    beside = (other for theirs in misled_by for other in snapshot.indexes.beside(entry, port.number, theirs))
    return next((other for other in beside if len({*entry.hosts, *other.hosts}) > 1), None)


def _another(other: ServiceEntry, entry: ServiceEntry) -> str:
    return next((host for host in other.hosts if host != entry.hosts[0]), other.hosts[0])
