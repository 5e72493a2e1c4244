"""EGR0702: a TCP port without addresses where somebody else has one too.

TCP carries no name, so of two entries without addresses on one port the older takes every connection to it, whosever
it is. An entry made by hand for one database swallows that of ours for another.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import others, title
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.listener_protocol import ListenerProtocol, listener_protocol, tcp_without_addresses
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import can_coexist


class ForeignPortConflict(Rule[ServiceEntry]):
    """One finding for each port."""

    code = "EGR0702"
    severity = Severity.WARNING
    title = "a TCP port without addresses where somebody else has one too"
    on = (ServiceEntry,)
    related_codes = ("IST0134",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at entries of others whose TCP port of this number has no addresses."""
        for index, port in tcp_without_addresses(entry):
            kinds: tuple[ListenerProtocol, ...] = (ListenerProtocol.TAKES_ALL, ListenerProtocol.PASSES_ALL)
            if listener_protocol(entry, port) is ListenerProtocol.PASSES_ALL:
                kinds = (ListenerProtocol.TAKES_ALL,)  # of two that pass everything on, none misleads
            there = (
                (cluster, each)
                for how in kinds
                for cluster, each in others(snapshot, entry, snapshot.inventories.on_port(port.number, how))
                if can_coexist(entry, each.entry) and set(entry.hosts) != set(each.entry.hosts)
            )
            if found := next(there, None):
                cluster, theirs = found
                yield self.found(
                    f"ports[{index}].number",
                    f"on cluster {cluster.id} {title(theirs)} has TCP on port {port.number} without addresses as well, "
                    f"for {theirs.entry.hosts[0]}; the older of the two takes every connection to the port, those for "
                    "the other host included",
                    f"set addresses to those at which {entry.hosts[0]} is dialled, and have the same done there",
                )
