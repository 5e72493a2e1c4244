"""EGR0103: a wildcard host that DNS is asked to resolve.

DNS has no address for `*.example.com`. Istio's webhook refuses the object, so it would never reach a sidecar. With
endpoints of its own an entry resolves those instead, and a wildcard is fine.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry

_BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})


class WildcardDns(Rule[ServiceEntry]):
    """One finding for each wildcard."""

    code = "EGR0103"
    severity = Severity.ERROR
    title = "a wildcard host with resolution DNS"
    on = (ServiceEntry,)
    related_codes = ("IST0106",)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entry alone."""
        if entry.resolution not in _BY_DNS or entry.endpoints:
            return
        for index, host in enumerate(entry.hosts):
            if host.startswith("*"):
                yield self.found(
                    f"hosts[{index}]",
                    f"{host} has no address in DNS, so resolution {entry.resolution.value} can't find one; Istio "
                    "refuses such an entry, and the host stays unregistered",
                    "use resolution NONE (sent to the dialled address) or DYNAMIC_DNS (resolved for each request), or "
                    "name endpoints",
                )
