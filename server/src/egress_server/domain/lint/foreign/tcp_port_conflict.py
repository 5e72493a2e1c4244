"""EGR0702: a TCP port without addresses that an unmanaged entry uses as well.

TCP carries no host name, so of two entries without addresses on one port the older one captures every connection to it,
whoever wrote it. An entry that was created with kubectl for one database captures the connections to another one.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.listener_protocol import ListenerProtocol, listener_protocol
from egress_server.domain.lint.dns_capture import catch_all_ports
from egress_server.domain.lint.foreign_objects import foreign_on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import can_coexist


class TcpPortConflict(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0702"
    severity = Severity.WARNING
    title = "TCP port without addresses that an unmanaged entry also uses"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0134",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign entries with the same TCP port and no addresses."""
        for index, port in catch_all_ports(snapshot, entry):
            kinds: tuple[ListenerProtocol, ...] = (ListenerProtocol.CATCH_ALL, ListenerProtocol.CATCH_ALL_PASSTHROUGH)
            if listener_protocol(entry, port) is ListenerProtocol.CATCH_ALL_PASSTHROUGH:
                kinds = (ListenerProtocol.CATCH_ALL,)  # two that pass everything through don't conflict
            found = (
                (cluster, service)
                for how in kinds
                for cluster, service in foreign_on_clusters(
                    snapshot, entry, snapshot.inventories.on_port(port.number, how)
                )
                if can_coexist(entry, service.entry) and set(entry.hosts) != set(service.entry.hosts)
            )
            if first := next(found, None):
                cluster, other = first
                yield self.finding(
                    f"ports[{index}].number",
                    f"on cluster {cluster.id}, {other.description} also has TCP port {port.number} without addresses, "
                    f"for {other.entry.hosts[0]}; the older of the two captures every connection to the port, "
                    "including those to the other host",
                    f"set addresses to those of {entry.hosts[0]}, and add addresses to the other entry as well",
                )
