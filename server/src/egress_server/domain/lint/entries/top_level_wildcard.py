"""EGR0117: a wildcard for a whole top-level domain, or for another public suffix.

`*.com` and `*.co.uk` register every host below .com or .co.uk: under REGISTRY_ONLY a large part of the Internet is
allowed, and the entry does not show which services the workloads need.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.public_suffixes import is_public_suffix
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry


class TopLevelWildcard(Rule[ServiceEntry]):
    """One finding per host."""

    code = "EGR0117"
    severity = Severity.WARNING
    title = "wildcard for a whole top-level domain"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        for index, host in enumerate(entry.hosts):
            if host == "*" or (host.startswith("*.") and is_public_suffix(host[2:])):
                what = f"every host below {host[1:]}" if len(host) > 1 else "every host"
                yield self.finding(
                    f"hosts[{index}]",
                    f"{host} registers {what}, so REGISTRY_ONLY blocks none of them",
                    "list the hosts, or the domains that the workloads use, such as *.example.com",
                )
