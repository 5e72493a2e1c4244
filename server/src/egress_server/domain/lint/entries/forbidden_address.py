"""EGR0105: an endpoint or address that is loopback, link-local or a metadata service.

An entry makes its addresses reachable by its host's name, in every namespace that sees it. Loopback there is the
sidecar's own machine, its admin port included; link-local addresses and the clouds' metadata services hand out the
node's credentials. None of them is ever an external service.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.addresses import why_forbidden
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry

_BLOCKS = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")))


class ForbiddenAddress(Rule[ServiceEntry]):
    """One finding for each endpoint and each address."""

    code = "EGR0105"
    severity = Severity.ERROR
    title = "an endpoint or address that is loopback, link-local or metadata"
    on = (ServiceEntry,)

    def check(self, _: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the entry alone."""
        for index, endpoint in enumerate(entry.endpoints):
            if why := _why_endpoint(endpoint.address):
                yield self._about(f"endpoints[{index}].address", entry, why)
        for index, address in enumerate(entry.addresses):
            if why := _why_range(address):
                yield self._about(f"addresses[{index}]", entry, why)

    def _about(self, field: str, entry: ServiceEntry, why: str) -> Finding:
        return self.found(
            field,
            f"{why}; an entry with it leads workloads that call {entry.hosts[0]} back into the infrastructure",
            "name the address at which the external service is served, or leave this one out",
        )


def _why_endpoint(address: str) -> str | None:
    try:
        ip_address(address)
    except ValueError:
        return None  # a name; DNS decides, and the agents look at what it says
    return why_forbidden(address)


def _why_range(text: str) -> str | None:
    network = ip_network(text)
    if why := why_forbidden(str(network.network_address)) or why_forbidden(str(network.broadcast_address)):
        return why
    inside = (block for block in _BLOCKS if block.version == network.version and block.overlaps(network))
    return next((f"{text} contains {block}, which is loopback or link-local" for block in inside), None)
