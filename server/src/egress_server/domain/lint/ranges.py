"""Address ranges of interceptions, as the rules in a pod see them."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.resources import Cluster, Interception

Network = IPv4Network | IPv6Network
_EVERYTHING: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def service_cidrs(snapshot: Snapshot, cluster: Cluster) -> tuple[str, ...]:
    """The ranges of a cluster's services: as it was registered, else as its applier has found them."""
    found = snapshot.inventories.get(cluster.id)
    return cluster.service_cidrs or (found.service_cidrs if found else ())


def networks(cidrs: Iterable[str]) -> list[Network]:
    """The ranges of valid CIDRs."""
    return [ip_network(cidr) for cidr in cidrs]


def included(policy: Interception, cluster: Cluster | None) -> list[Network]:
    """What `policy` intercepts on `cluster`, before its exclusions; what it names itself where None."""
    own = networks(policy.include_cidrs)
    if policy.none:
        return []
    if policy.include_service_cidrs:
        return own + networks(cluster.service_cidrs if cluster else ())
    return own or list(_EVERYTHING)


def covers(ranges: Iterable[Network], inner: Network) -> bool:
    """Whether every address of `inner` is in one of `ranges`."""
    if isinstance(inner, IPv4Network):
        fours = collapse_addresses(net for net in ranges if isinstance(net, IPv4Network))
        return any(inner.subnet_of(net) for net in fours)
    sixes = collapse_addresses(net for net in ranges if isinstance(net, IPv6Network))
    return any(inner.subnet_of(net) for net in sixes)


def swallows(excluded: Iterable[Network], ranges: list[Network]) -> bool:
    """Whether nothing is left of `ranges`, or nothing of IPv4 where they have some."""
    fours = [net for net in ranges if net.version == 4] or ranges
    taken = list(excluded)
    return bool(fours) and all(covers(taken, net) for net in fours)
