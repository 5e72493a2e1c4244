"""EGR0715: connection settings for a host with an unmanaged DestinationRule.

Of several DestinationRules for one host in a namespace, Istio uses one. If an unmanaged one exists, an applier does not
write a second one: it reports FOREIGN_OWNER, and TLS origination, limits and outlier detection have no effect. Without
TLS origination, plain HTTP is sent to a TLS port (istio#12738, #36672).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import object_name
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.foreign_config import describe_object
from egress_server.domain.render.destination_rule import needs_rule


class DestinationRuleConflict(Rule[ServiceEntry]):
    """One finding per host."""

    code = "EGR0715"
    severity = Severity.WARNING
    title = "connection settings for a host with an unmanaged DestinationRule"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA0201",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign DestinationRules for the same hosts in the same namespace."""
        if not needs_rule(entry):
            return
        for index, host in enumerate(entry.hosts):
            found = (
                (cluster, object_name("DestinationRule", rule.namespace, rule.name), rule.owner)
                for cluster, rules in on_clusters(
                    snapshot, entry.cluster_selector, snapshot.inventories.destination_rules(host)
                )
                for rule in rules
                if rule.namespace == entry.namespace and not rule.spec.workload_labels
            )
            for cluster, name, owner in found:
                if name not in cluster.orders.adopted:
                    yield self.finding(
                        f"hosts[{index}]",
                        f"on cluster {cluster.id}, {describe_object(name, owner)} is for {host} as well, and Istio "
                        "uses only one DestinationRule per host and namespace: the connection settings of this entry "
                        "have no effect there",
                        f"run `egressctl cluster adopt {cluster.id} {name}`, or remove the DestinationRule",
                    )
                    break
