"""EGR0303: external databases without entries under ALLOW_ANY.

Without an entry, sidecars pass a database's traffic to any address: no metrics by host, no limits, and once any TCP
entry without addresses appears on that port, the connections are sent to its host. Databases should have entries.
"""

from collections.abc import Iterator

from egress_server.domain.desired.indexes import DATABASE_PORTS
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import ANY_NAMESPACE


class DatabasesUnderAllowAny(Rule[OutboundPolicy]):
    """At most one finding; if one database is registered, the others are assumed to be left out on purpose."""

    code = "EGR0303"
    severity = Severity.WARNING
    title = "external databases without entries under ALLOW_ANY"
    applies_to = (OutboundPolicy,)

    def check(self, snapshot: Snapshot, policy: OutboundPolicy) -> Iterator[Finding]:
        """Checks whether an entry with a database port is visible in the scope."""
        if policy.mode is not OutboundMode.ALLOW_ANY:
            return
        namespace = policy.scope.namespace or ANY_NAMESPACE
        if not any(snapshot.indexes.database_entries((namespace,), policy.cluster_selector)):
            ports = ", ".join(map(str, sorted(DATABASE_PORTS)))
            yield self.finding(
                "mode",
                f"no service entry has a database port ({ports}), so under ALLOW_ANY database connections pass to any "
                "address, without metrics or control, until an entry on the same port captures them",
                "if workloads here call external databases, upsert an entry with addresses for each of them",
            )
