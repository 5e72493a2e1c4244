"""EGR0103: a wildcard host that is to be resolved by DNS.

DNS has no address for `*.example.com`. Istio's webhook rejects the object, so it would never reach a sidecar. An entry
with endpoints resolves those instead, so there a wildcard is fine.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry

_BY_DNS = frozenset({Resolution.DNS, Resolution.DNS_ROUND_ROBIN})


class WildcardDns(Rule[ServiceEntry]):
    """One finding per wildcard."""

    code = "EGR0103"
    severity = Severity.ERROR
    title = "wildcard host with resolution DNS"
    applies_to = (ServiceEntry,)
    related_codes = ("IST0106",)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        if entry.resolution not in _BY_DNS or entry.endpoints:
            return
        for index, host in enumerate(entry.hosts):
            if host.startswith("*"):
                yield self.finding(
                    f"hosts[{index}]",
                    f"{host} has no address in DNS, so resolution {entry.resolution.value} can't resolve it; Istio "
                    "rejects such an entry, and the host stays unregistered",
                    "use resolution NONE (connect to the original address) or DYNAMIC_DNS (resolve the host of each "
                    "request), or set endpoints",
                )
