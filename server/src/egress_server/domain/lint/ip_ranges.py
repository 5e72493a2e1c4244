"""Address ranges of interceptions, as the rules in a pod apply them."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.resources import Interception

Network = IPv4Network | IPv6Network
_EVERYTHING: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def service_cidrs(snapshot: Snapshot, cluster: Cluster) -> tuple[str, ...]:
    """The service ranges of a cluster: as registered, else as discovered by its applier."""
    inventory = snapshot.inventories.get(cluster.id)
    return cluster.target.service_cidrs or (inventory.service_cidrs if inventory else ())


def networks(cidrs: Iterable[str]) -> list[Network]:
    """The networks of valid CIDRs."""
    return [ip_network(cidr) for cidr in cidrs]


def included(policy: Interception) -> list[Network]:
    """The ranges that `policy` itself includes, before its exclusions and without service ranges."""
    if policy.none:
        return []
    own = networks(policy.include_cidrs)
    return own if own or policy.include_service_cidrs else list(_EVERYTHING)


def covers(ranges: Iterable[Network], inner: Network) -> bool:
    """Whether every address of `inner` is in one of `ranges`."""
    if isinstance(inner, IPv4Network):
        v4 = collapse_addresses(net for net in ranges if isinstance(net, IPv4Network))
        return any(inner.subnet_of(net) for net in v4)
    v6 = collapse_addresses(net for net in ranges if isinstance(net, IPv6Network))
    return any(inner.subnet_of(net) for net in v6)


def covers_all(excluded: Iterable[Network], ranges: list[Network]) -> bool:
    """Whether nothing is left of `ranges`, or nothing of their IPv4 part if there is one."""
    v4 = [net for net in ranges if net.version == 4] or ranges
    taken = list(excluded)
    return bool(v4) and all(covers(taken, net) for net in v4)
