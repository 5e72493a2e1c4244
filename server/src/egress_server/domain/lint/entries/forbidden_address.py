"""EGR0105: an endpoint or address that is loopback, link-local or a metadata service.

An entry makes its addresses reachable under its host name, in every namespace that sees it. Loopback is the pod itself,
including the sidecar's admin port; link-local addresses and cloud metadata services hand out the node's credentials.
None of them is ever an external service.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.addresses import address_problem
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry

_FORBIDDEN_RANGES = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")))


class ForbiddenAddress(Rule[ServiceEntry]):
    """One finding per endpoint and address."""

    code = "EGR0105"
    severity = Severity.ERROR
    title = "loopback, link-local or metadata address in an entry"
    applies_to = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the entry alone."""
        for index, endpoint in enumerate(entry.endpoints):
            if problem := _endpoint_problem(endpoint.address):
                yield self._forbidden(f"endpoints[{index}].address", entry, problem)
        for index, address in enumerate(entry.addresses):
            if problem := _range_problem(address):
                yield self._forbidden(f"addresses[{index}]", entry, problem)

    def _forbidden(self, field: str, entry: ServiceEntry, problem: str) -> Finding:
        return self.finding(
            field,
            f"{problem}; the entry would send workloads that call {entry.hosts[0]} back into the infrastructure",
            "use the address of the external service, or remove this one; to let workloads reach a metadata service, "
            "exclude its address from interception, such as egressctl intercept set --exclude 169.254.169.254/32",
        )


def _endpoint_problem(address: str) -> str | None:
    try:
        ip_address(address)
    except ValueError:
        return None  # a name: DNS decides, and agents check the addresses that it resolves to
    return address_problem(address)


def _range_problem(text: str) -> str | None:
    network = ip_network(text)
    if problem := address_problem(str(network.network_address)) or address_problem(str(network.broadcast_address)):
        return problem
    inside = (block for block in _FORBIDDEN_RANGES if block.version == network.version and block.overlaps(network))
    return next((f"{text} contains {block}, which is loopback or link-local" for block in inside), None)
