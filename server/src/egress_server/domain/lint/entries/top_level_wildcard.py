"""EGR0117: a wildcard for a whole top-level domain.

`*.com` registers every host below .com: under REGISTRY_ONLY nearly the whole Internet is allowed, and the entry
does not show which services the workloads need.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
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
            if host.startswith("*.") and host.count(".") == 1:
                yield self.finding(
                    f"hosts[{index}]",
                    f"{host} registers every host below {host[1:]}, so REGISTRY_ONLY blocks none of them",
                    "list the hosts, or the domains that the workloads use, such as *.example.com",
                )
