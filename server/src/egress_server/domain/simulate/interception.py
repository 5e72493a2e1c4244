"""Which outbound connections the sidecar captures, decided the way the iptables rules in a pod do.

The rules are in the order in which Istio 1.31 writes them: excluded ports, excluded ranges, included ports, included
ranges. The first match decides, and a connection without a match bypasses the sidecar.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any

from egress_server.domain.model.addresses import address_problem
from egress_server.domain.render.policies import ALL, SERVICE_CIDRS


@dataclass(frozen=True, slots=True)
class CaptureRules:
    """Ranges are CIDRs, or `*` for all addresses; an empty `include` includes no range."""

    include: tuple[str, ...] = (ALL,)
    exclude: tuple[str, ...] = ()
    include_ports: frozenset[int] = frozenset()
    exclude_ports: frozenset[int] = frozenset()


CAPTURE_ALL = CaptureRules()
"""The rules of a pod if nothing is configured."""


@dataclass(frozen=True, slots=True)
class CaptureDecision:
    """Whether a connection is captured, with a human-readable reason. None if that depends on an unknown address."""

    captured: bool | None
    reason: str


def parse_rules(spec: Mapping[str, Any] | None) -> CaptureRules:
    """The rules of a rendered Interception, whose values are comma-separated; None means the default."""
    if spec is None:
        return CAPTURE_ALL
    return CaptureRules(
        include=_split(spec["includeIPRanges"]),
        exclude=_split(spec["excludeIPRanges"]),
        include_ports=frozenset(map(int, _split(spec["includeOutboundPorts"]))),
        exclude_ports=frozenset(map(int, _split(spec["excludeOutboundPorts"]))),
    )


def is_captured(rules: CaptureRules, address: str, port: int) -> bool:
    """Whether a connection to an IP address and port is captured. Raises ValueError if it is not an IP address."""
    return decide_capture(rules, str(ip_address(address)), port).captured is True


def decide_capture(rules: CaptureRules, address: str, port: int) -> CaptureDecision:
    """The decision on a connection; an empty `address` is an unknown one."""
    if port in rules.exclude_ports:
        return CaptureDecision(False, f"port {port} is excluded")
    if not address and rules.exclude:
        return CaptureDecision(None, f"it bypasses the sidecar if its address is in {_list(rules.exclude)}")
    if found := _containing(rules.exclude, address):
        return CaptureDecision(False, f"{address} is in the excluded range {found}")
    if port in rules.include_ports:
        return CaptureDecision(True, f"port {port} is included for every address")
    if ALL in rules.include:
        return CaptureDecision(True, "all addresses are included")
    if not rules.include:
        return CaptureDecision(False, "no address is included")
    if not address:
        return CaptureDecision(None, f"it is captured only if its address is in {_list(rules.include)}")
    if found := _containing(rules.include, address):
        return CaptureDecision(True, f"{address} is in the included range {found}")
    if SERVICE_CIDRS in rules.include:
        return CaptureDecision(
            None, "it is captured only if its address is in the cluster's service ranges, which are not known"
        )
    return CaptureDecision(False, f"{address} is not in any of the included ranges")


def describe_bypassed(rules: CaptureRules) -> str:
    """Which connections bypass the sidecar, for humans: `to port 25; to 10.0.0.0/8`. Empty if only connections to the
    node's own and metadata addresses do, which are not external services."""
    return "; ".join(_bypassed(rules))


def captures_every_range(rules: CaptureRules) -> bool:
    """Whether the included ranges cover all IPv4 addresses."""
    ranges = [net for text in rules.include if isinstance(net := _network(text), IPv4Network)]
    return ALL in rules.include or list(collapse_addresses(ranges)) == [IPv4Network("0.0.0.0/0")]


def _bypassed(rules: CaptureRules) -> Iterator[str]:
    if rules.exclude_ports:
        yield f"to port {', '.join(map(str, sorted(rules.exclude_ports)))}"
    if excluded := tuple(text for text in rules.exclude if not _is_infrastructure(text)):
        yield f"to {_list(excluded)}"
    if not rules.include:
        yield "to every address"
    elif not captures_every_range(rules):
        yield f"to all but {_list(rules.include)}"


def _is_infrastructure(text: str) -> bool:
    net = _network(text)
    if net is None:
        return False
    single = net.num_addresses == 1 and address_problem(str(net.network_address)) is not None
    return single or net.is_link_local or net.is_loopback


def _network(text: str) -> IPv4Network | IPv6Network | None:
    """The range; None for a placeholder, or an annotation that is not a range."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _containing(ranges: Iterable[str], address: str) -> str | None:
    """The first range that contains the address. As in iptables, host bits are ignored."""
    if not address:
        return None
    ip = ip_address(address)
    networks = ((text, ip_network(text, strict=False)) for text in ranges if text not in {ALL, SERVICE_CIDRS})
    return next((text for text, network in networks if ip.version == network.version and ip in network), None)


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _list(ranges: tuple[str, ...]) -> str:
    first = ", ".join(ranges[:5])
    return f"{first} or {len(ranges) - 5} more ranges" if len(ranges) > 5 else first
