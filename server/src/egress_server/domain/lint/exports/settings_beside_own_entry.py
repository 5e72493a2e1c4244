"""EGR0142: traffic settings that don't apply in a namespace which has an entry of its own.

A client gets a host from its own namespace, whoever else exports it. That is a decision of that namespace, but the
settings of the other entry don't apply to its workloads.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.overridden_settings import entries_of_host, overrides
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class SettingsBesideOwnEntry(Rule[ServiceEntry]):
    """One finding per host and other entry."""

    code = "EGR0142"
    severity = Severity.WARNING
    title = "traffic settings that don't apply in a namespace with an entry of its own"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entries of the same hosts, before and after the change."""
        for index, host in enumerate(entry.hosts):
            before, after = entries_of_host(snapshot, entry, host)
            for override in overrides(entry, before, after, own_entries=True):
                is_loser = override.loser is entry
                other = override.winner if is_loser else override.loser
                yield self.finding(
                    "traffic" if is_loser else f"hosts[{index}]",
                    f"{override.whom} gets {host} from {override.winner.name}, which is in that namespace, so the "
                    f"traffic settings of {override.loser.name} don't apply there",
                    f"if they should apply, set them in {override.winner.name} as well",
                    other.name,
                )
