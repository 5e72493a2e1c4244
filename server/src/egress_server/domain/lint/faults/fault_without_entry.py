"""EGR0202: a fault on a host that no entry registers, on some cluster it applies to.

Requests that the fault lets through are sent on to the host's service, which is unknown: they are answered with 503,
after the delay, also under ALLOW_ANY, where they had passed before. An entry for a wildcard above the host is not
enough. A Service of the mesh, or an entry of others, is enough where the clusters' appliers have told of it; where they
have not yet, force it.
"""

from collections.abc import Collection, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import Entries, FaultRule, is_covered
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.resources import Fault

_EVERYWHERE = "*"
_SHOWN = 3


class FaultWithoutEntry(FaultRule):
    """One finding for each fault."""

    code = "EGR0202"
    severity = Severity.ERROR
    title = "a fault on a host without an entry"
    forceable = True
    related_codes = ("KIA1101",)
    entry_field = "cluster_selector"
    fix = "upsert a service entry that lists exactly this host on these clusters first"

    def problems(self, snapshot: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """Registered clusters that have the fault and no entry; `*` where none can have one."""
        if is_covered(fault, entries):
            return set()
        clusters = snapshot.clusters(fault.cluster_selector)
        others = snapshot.inventories.with_host(fault.host)
        missing = {
            cluster.id
            for cluster in clusters
            if cluster.id not in others and not any(entry.cluster_selector.selects(cluster) for entry in entries)
        }
        known = bool(entries) or (bool(clusters) and not missing)
        return missing if known else missing | {_EVERYWHERE}

    def explain(self, fault: Fault, problems: Collection[str], _: Entries) -> Iterator[tuple[str, str]]:
        """Names a few of the clusters."""
        where = ""
        if _EVERYWHERE not in problems:
            where = " on " + ", ".join(sorted(problems)[:_SHOWN]) + (", ..." if len(problems) > _SHOWN else "")
        yield (
            "host",
            f"no entry registers {fault.host}{where}; requests to it that the fault lets through are answered with "
            "503, under ALLOW_ANY too",
        )
