"""EGR0140: traffic settings that don't apply to all who see the entry.

Traffic settings apply to those who get the host from the entry that has them, and a client gets a host from one
namespace only. A second entry of a host is not used where a narrower export or an older entry decides. Besides, of the
entries of one namespace only one can have a DestinationRule if one of them is exported to all, because Istio does not
keep them apart there.
"""

from collections.abc import Iterable, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.overridden_settings import Override, entries_of_host, overrides
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.render.destination_rule import shared_rules
from egress_server.domain.render.host_traffic import host_objects


class SettingsElsewhere(Rule[ServiceEntry]):
    """One finding per host and other entry."""

    code = "EGR0140"
    severity = Severity.ERROR
    title = "traffic settings that another entry of the host overrides"
    suppressible = True
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts, before and after the change."""
        for index, host in enumerate(entry.hosts):
            before, after = entries_of_host(snapshot, entry, host)
            for override in overrides(entry, before, after, own_entries=False):
                yield self._overridden(index, host, override, is_loser=override.loser is entry)
            for loser, winner in shared_rules(host_objects(host, after)):
                if entry in (loser, winner):
                    yield self._shared(loser, winner, winner if loser is entry else loser)

    def reads(self, _snapshot: Snapshot, entry: ServiceEntry) -> Iterable[str]:
        """The buckets of the hosts."""
        return (f"host/{host}" for host in entry.hosts)

    def _overridden(self, index: int, host: str, override: Override, *, is_loser: bool) -> Finding:
        loser, winner = override.loser.name, override.winner.name
        if is_loser:
            return self.finding(
                "traffic",
                f"{override.whom} gets {host} from {winner}, so the traffic settings of this entry don't apply there",
                f"narrow export_to of this entry, such as to ., or set the traffic settings in {winner}",
                winner,
            )
        return self.finding(
            f"hosts[{index}]",
            f"{override.whom} would get {host} from this entry, so the traffic settings of {loser} would no longer "
            "apply there",
            f"narrow export_to of this entry, or give it the traffic settings of {loser}",
            loser,
        )

    def _shared(self, loser: ServiceEntry, winner: ServiceEntry, other: ServiceEntry) -> Finding:
        return self.finding(
            "traffic",
            "Istio does not keep the connection settings of several entries of one namespace apart if one of them is "
            f"exported to all: those of {winner.name} apply to the clients of {loser.name} as well",
            "use the same tls_origination, connection_limits and outlier_detection in both entries, or put one of them "
            "into another namespace",
            other.name,
        )
