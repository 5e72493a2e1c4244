"""EGR0131: two hosts with the same address and port, neither of them HTTP.

Sidecars distinguish TCP connections by address and port only, and for a single address TLS as well: the older entry
gets all connections to the address, those to the other host included. TLS to an address range goes by server name. If
both have resolution NONE, every connection reaches its original destination, so nothing is misdirected.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry, ServicePort


class SharedAddress(Rule[ServiceEntry]):
    """One finding per address, which names the first conflicting entry and port."""

    code = "EGR0131"
    severity = Severity.WARNING
    title = "different TCP hosts at one address and port"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries with the same address and port."""
        for index, address in enumerate(entry.addresses):
            found = (
                (port, other)
                for port in entry.ports
                if not port.protocol.is_http
                for other in snapshot.indexes.sharing_address(entry, port.number, address)
                if _misdirected(entry, port, other, address)
            )
            if first := next(found, None):
                port, other = first
                yield self.finding(
                    f"addresses[{index}]",
                    f"{other.name} has {address} with port {port.number} as well, for {other.hosts[0]}; sidecars can't "
                    f"tell connections to it from those to {entry.hosts[0]} and send all to the older one's host",
                    "give each host its own address, or separate the two by export_to or cluster selector",
                    other.name,
                )


def _misdirected(entry: ServiceEntry, port: ServicePort, other: ServiceEntry, address: str) -> bool:
    theirs = next(each for each in other.ports if each.number == port.number)
    by_name = "/" in address and (port.protocol.is_tls or theirs.protocol.is_tls)
    passes = entry.resolution is other.resolution is Resolution.NONE
    return set(entry.hosts).isdisjoint(other.hosts) and not by_name and not passes
