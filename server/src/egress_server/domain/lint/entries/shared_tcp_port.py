"""EGR0102: different TCP hosts on one port, neither with addresses.

TCP carries no host name, so without addresses both entries listen on every address of the port. A sidecar keeps one of
them, the older one, and connections to the other host end up there: the wrong database answers. If both have resolution
NONE, every connection still reaches its original destination, so nothing is misdirected; only EGR0106 is reported then.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.listener_protocol import ListenerProtocol, listener_protocol, tcp_without_addresses
from egress_server.domain.lint.dns_capture import catch_all_ports, is_allocated
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry, ServicePort

_CONFLICTS = {
    ListenerProtocol.CATCH_ALL: (ListenerProtocol.CATCH_ALL, ListenerProtocol.CATCH_ALL_PASSTHROUGH),
    ListenerProtocol.CATCH_ALL_PASSTHROUGH: (ListenerProtocol.CATCH_ALL,),
}


class SharedTcpPort(Rule[ServiceEntry]):
    """One finding per port, which names the first conflicting entry."""

    code = "EGR0102"
    severity = Severity.ERROR
    title = "different TCP hosts on one port without addresses"
    applies_to = (ServiceEntry,)
    suppressible = True
    related_codes = ("IST0134",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries with the same TCP port and no addresses."""
        for index, port in catch_all_ports(snapshot, entry):
            if other := _conflicting(snapshot, entry, port):
                yield self.finding(
                    f"ports[{index}].number",
                    f"{entry.hosts[0]} and {_other_host(other, entry)} of {other.name} both use TCP port {port.number} "
                    "without addresses; a sidecar that sees both can't tell them apart and sends connections for one "
                    "to the other",
                    "set addresses in each entry, or separate the two by export_to or cluster selector",
                    other.name,
                )

    def reads(self, _: Snapshot, entry: ServiceEntry) -> Iterator[str]:
        """The buckets of its TCP ports without addresses."""
        return (f"tcp/{port.number}" for _, port in tcp_without_addresses(entry))


def _conflicting(snapshot: Snapshot, entry: ServiceEntry, port: ServicePort) -> ServiceEntry | None:
    how = listener_protocol(entry, port)
    conflicts = _CONFLICTS.get(how, ()) if how else ()
    sharing = (other for theirs in conflicts for other in snapshot.indexes.sharing_port(entry, port.number, theirs))
    found = (other for other in sharing if len({*entry.hosts, *other.hosts}) > 1)
    return next((other for other in found if not is_allocated(snapshot, other)), None)


def _other_host(other: ServiceEntry, entry: ServiceEntry) -> str:
    return next((host for host in other.hosts if host != entry.hosts[0]), other.hosts[0])
