"""EGR0405: include ranges without the range of allocated addresses.

Sidecars with DNS capture resolve the hosts of entries without addresses to addresses of 240.240.0.0/16, which exist
nowhere else. If interception does not include them, connections leave the pod for an address that no server has
(istio#52301).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.captures import capture_rules
from egress_server.domain.lint.dns_capture import ALLOCATED_RANGE, allocating
from egress_server.domain.lint.ip_ranges import covers, networks
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Interception
from egress_server.domain.simulate.interception import captures_every_range


class AllocatedRange(Rule[Interception]):
    """At most one finding."""

    code = "EGR0405"
    severity = Severity.WARNING
    title = "include ranges without the range of allocated addresses"
    applies_to = (Interception,)

    def check(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        """Checks the MeshConfig of the clusters that the policy selects."""
        excluded = any(ALLOCATED_RANGE.subnet_of(net) for net in networks(policy.exclude_cidrs) if net.version == 4)
        complete = captures_every_range(capture_rules(snapshot, policy))
        if not excluded and (complete or covers(networks(policy.include_cidrs), ALLOCATED_RANGE)):
            return
        if clusters := allocating(snapshot, policy.cluster_selector):
            yield self.finding(
                "exclude_cidrs" if excluded else "include_cidrs",
                f"on cluster {clusters[0].id}, sidecars resolve the hosts of entries without addresses to addresses in "
                f"{ALLOCATED_RANGE}, which is not included: connections to them leave the pod for addresses that no "
                "server has",
                f"include {ALLOCATED_RANGE} as well",
            )
