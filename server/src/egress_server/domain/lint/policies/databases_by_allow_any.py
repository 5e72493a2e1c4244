"""EGR0303: databases left to ALLOW_ANY.

Without an entry, sidecars pass a database's traffic to any address unseen: no metrics by host, no limits, and once any
TCP entry without addresses appears on that port, the connections go to its host. Databases want entries.
"""

from collections.abc import Iterator

from egress_server.domain.desired.indexes import DATABASE_PORTS
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import EVERYONE


class DatabasesByAllowAny(Rule[OutboundPolicy]):
    """One finding at most; whoever has registered one database is taken to have thought of the others."""

    code = "EGR0303"
    severity = Severity.WARNING
    title = "database ports left to ALLOW_ANY"
    on = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Looks whether some entry with a database port is visible to the scope."""
        if policy.mode is not OutboundMode.ALLOW_ANY:
            return
        namespace = policy.scope.namespace or EVERYONE
        if not any(snapshot.indexes.database_entries((namespace,), policy.cluster_selector)):
            ports = ", ".join(map(str, sorted(DATABASE_PORTS)))
            yield self.found(
                "mode",
                f"no service entry has a database port ({ports}), so ALLOW_ANY passes databases to any address, "
                "without metrics or control, until an entry on the same port captures them",
                "if workloads here call external databases, upsert an entry with addresses for each",
            )
