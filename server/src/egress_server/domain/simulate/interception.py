"""Which outbound connections are handed to the sidecar, decided as the rules in a pod do.

The rules stand in the order in which Istio 1.31 writes them: excluded ports, excluded ranges, included ports, included
ranges. The first that fits decides, and a connection that none fits goes out past the sidecar.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from egress_server.domain.render.policies import ALL, SERVICE_CIDRS


@dataclass(frozen=True, slots=True)
class Rules:
    """Ranges as CIDR, or `*` for all; an empty `include` is no range at all."""

    include: tuple[str, ...] = (ALL,)
    exclude: tuple[str, ...] = ()
    include_ports: frozenset[int] = frozenset()
    exclude_ports: frozenset[int] = frozenset()


EVERYTHING = Rules()
"""What holds where nothing was set."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether a connection is captured, and by which rule, for people. None where that depends on an address that is
    not known."""

    captured: bool | None
    why: str


def read_rules(spec: Mapping[str, Any] | None) -> Rules:
    """The rules of a rendered Interception, whose values are comma-joined; None stands for everything."""
    if spec is None:
        return EVERYTHING
    return Rules(
        include=_words(spec["includeIPRanges"]),
        exclude=_words(spec["excludeIPRanges"]),
        include_ports=frozenset(map(int, _words(spec["includeOutboundPorts"]))),
        exclude_ports=frozenset(map(int, _words(spec["excludeOutboundPorts"]))),
    )


def captured(rules: Rules, address: str, port: int) -> bool:
    """Whether a connection to an IP address and port is captured. Raises ValueError where it is no address."""
    return rule(rules, str(ip_address(address)), port).captured is True


def rule(rules: Rules, address: str, port: int) -> Ruling:
    """The rule that decides on a connection. An empty `address` is one that is not known."""
    if port in rules.exclude_ports:
        return Ruling(False, f"port {port} is excluded")
    if not address and rules.exclude:
        return Ruling(None, f"it is not captured where its address is in {_list(rules.exclude)}")
    if found := _holding(rules.exclude, address):
        return Ruling(False, f"{address} is in the excluded range {found}")
    if port in rules.include_ports:
        return Ruling(True, f"port {port} is included, whatever the address")
    if ALL in rules.include:
        return Ruling(True, "all addresses are included")
    if not rules.include:
        return Ruling(False, "no address is included")
    if not address:
        return Ruling(None, f"it is captured only where its address is in {_list(rules.include)}")
    if found := _holding(rules.include, address):
        return Ruling(True, f"{address} is in the included range {found}")
    if SERVICE_CIDRS in rules.include:
        return Ruling(None, "it is captured only where its address is one of the cluster's services, not known here")
    return Ruling(False, f"{address} is in none of the included ranges")


def _holding(ranges: Iterable[str], address: str) -> str | None:
    """The first range that has the address. Bits behind the mask count for nothing, as in iptables."""
    if not address:
        return None
    its = ip_address(address)
    networks = ((text, ip_network(text, strict=False)) for text in ranges if text not in {ALL, SERVICE_CIDRS})
    return next((text for text, network in networks if its.version == network.version and its in network), None)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _list(ranges: tuple[str, ...]) -> str:
    shown = ", ".join(ranges[:5])
    return f"{shown} and {len(ranges) - 5} more ranges" if len(ranges) > 5 else shown
