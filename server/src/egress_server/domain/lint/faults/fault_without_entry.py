"""EGR0202: a fault on a host that no entry registers, on some cluster that it applies to.

The fault's route forwards requests to the host's service, which does not exist: they are answered with 503, after the
delay, even under ALLOW_ANY, where they passed before the fault. An entry for a wildcard that matches the host is not
enough, and neither is one that the fault's namespace does not see. A Service of the mesh or an unmanaged entry is
enough if the clusters' appliers have reported it; if they have not yet, suppress the finding.
"""

from collections.abc import Collection, Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.fault_rule import Entries, FaultRule, is_covered
from egress_server.domain.model.findings import Severity
from egress_server.domain.model.resources import Fault

_EVERYWHERE = "*"
_SHOWN = 3


class FaultWithoutEntry(FaultRule):
    """One finding per fault."""

    code = "EGR0202"
    severity = Severity.ERROR
    title = "fault on a host without an entry"
    suppressible = True
    related_codes = ("KIA1101",)
    entry_field = "cluster_selector"
    fix = "upsert a service entry that lists exactly this host on these clusters first"

    def problems(self, snapshot: Snapshot, fault: Fault, entries: Entries) -> set[str]:
        """The registered clusters with the fault but without an entry; `*` if no cluster can have one."""
        if is_covered(fault, entries):
            return set()
        clusters = snapshot.clusters(fault.cluster_selector)
        foreign = snapshot.inventories.with_host(fault.host)
        missing = {
            cluster.id
            for cluster in clusters
            if cluster.id not in foreign and not any(entry.cluster_selector.selects(cluster) for entry in entries)
        }
        known = bool(entries) or (bool(clusters) and not missing)
        return missing if known else missing | {_EVERYWHERE}

    def describe(self, fault: Fault, problems: Collection[str], _: Entries) -> Iterator[tuple[str, str]]:
        """Names the first few clusters."""
        where = ""
        if _EVERYWHERE not in problems:
            where = " on " + ", ".join(sorted(problems)[:_SHOWN]) + (", ..." if len(problems) > _SHOWN else "")
        yield (
            "host",
            f"no entry that namespace {fault.namespace} has or sees registers {fault.host}{where}; requests to it that "
            "the fault does not abort are answered with 503, even under ALLOW_ANY",
        )
