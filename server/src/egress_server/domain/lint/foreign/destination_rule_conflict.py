"""EGR0740: connection settings for a host with an unmanaged DestinationRule.

A sidecar uses one DestinationRule per host: one of the client's namespace, else one of the namespace that provides the
host. If there are two in one namespace, Istio merges or ignores one of them, depending on what they are exported to. So
an applier writes none next to an unmanaged one: it reports FOREIGN_OWNER.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.foreign_config import describe_object, destination_rule_name
from egress_server.domain.observed.inventory import ForeignDestinationRule
from egress_server.domain.render.destination_rule import needs_rule


class DestinationRuleConflict(Rule[ServiceEntry]):
    """One finding per host and foreign rule."""

    code = "EGR0740"
    severity = Severity.WARNING
    title = "connection settings for a host with an unmanaged DestinationRule"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA0201",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign DestinationRules for the same hosts."""
        if not needs_rule(entry):
            return
        for index, host in enumerate(entry.hosts):
            found: set[str] = set()
            for cluster, rules in on_clusters(
                snapshot, entry.cluster_selector, snapshot.inventories.destination_rules_for(host)
            ):
                for rule in rules:
                    name = destination_rule_name(rule)
                    if name not in cluster.orders.adopted and name not in found and _applies(rule, entry):
                        found.add(name)
                        yield self._finding(index, host, entry, rule, cluster.id)

    def _finding(
        self, index: int, host: str, entry: ServiceEntry, rule: ForeignDestinationRule, cluster: str
    ) -> Finding:
        name = destination_rule_name(rule)
        described = describe_object(name, rule.owner)
        if rule.namespace == entry.namespace:
            return self.finding(
                f"hosts[{index}]",
                f"on cluster {cluster}, {described} is for {host} as well, and a sidecar uses only one: the connection "
                "settings of this entry are not applied there (FOREIGN_OWNER)",
                f"run `egressctl cluster adopt {cluster} {name}`, or remove the DestinationRule",
            )
        return self.finding(
            f"hosts[{index}]",
            f"on cluster {cluster}, workloads in namespace {rule.namespace} use {described} for {host}: the connection "
            "settings of this entry don't apply to them",
            "remove the DestinationRule, or put the same settings into it",
        )


def _applies(rule: ForeignDestinationRule, entry: ServiceEntry) -> bool:
    """Whether Istio uses it instead of the entry's for some client."""
    if rule.namespace == entry.namespace:
        return not rule.spec.workload_labels
    own = not rule.spec.export_to or bool({"*", ".", rule.namespace} & set(rule.spec.export_to))
    return own and entry.visible_to(rule.namespace)
