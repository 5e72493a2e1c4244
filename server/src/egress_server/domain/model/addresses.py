"""Addresses that no probe may dial and no service entry may contain, because they lead back into the infrastructure.

Private ranges are allowed: partners such as banks are often reached over one. Loopback, link-local and cloud metadata
addresses are not: to a workload they are never an external service, and a probe to them could read secrets. What else
has a special purpose is in IANA's registries (`special_addresses.py`).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from egress_server.domain.model.special_addresses import SPECIAL_BLOCKS

_Address = IPv4Address | IPv6Address

_METADATA = {
    "100.100.100.200": "the metadata service of Alibaba Cloud",
    "168.63.129.16": "the platform address of Azure",
    "169.254.169.254": "a cloud metadata service",
    "192.0.0.192": "the metadata service of Oracle Cloud",
    "fd20:ce::254": "the metadata service of Google Cloud",
}
# Instance metadata, DNS, time and pod credentials are all served from this range.
_AWS_LOCAL = IPv6Network("fd00:ec2::/32")
# Blocks of IANA's registries that aren't globally reachable, but that external services, gateways to them, examples and
# Istio's own allocation of addresses (240.240.0.0/16, 2001:2::/48) have.
_USABLE = ("Private-Use", "Unique-Local", "Shared Address Space", "Documentation", "Benchmarking", "Reserved")
_SPECIAL = tuple(
    sorted(
        ((ip_network(block), name, reachable) for block, name, reachable in SPECIAL_BLOCKS),
        key=lambda special: special[0].prefixlen,
        reverse=True,
    )
)
"""The most specific blocks first: they decide."""
# IPv6 prefixes that embed an IPv4 address in the last 32 bits: RFC 6052 (NAT64), RFC 8215 (local-use NAT64), RFC 2765
# (translated), RFC 4291 (compatible).
_LAST_32_BITS = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")))
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
# RFC 5214: an interface identifier with this prefix ends with the IPv4 address of the other end of a tunnel.
_ISATAP = (0x00005EFE, 0x02005EFE)


def address_problem(text: str) -> str | None:
    """Why an IP address is forbidden as a destination; None if it is allowed.

    Raises ValueError if `text` is not an IP address.
    """
    address = ip_address(text.partition("%")[0])
    for candidate in (address, *_embedded(address)):
        if kind := _forbidden_kind(candidate):
            return f"{text} is {kind}"
    return None


def _forbidden_kind(address: _Address) -> str | None:
    if known := _METADATA.get(str(address)):
        return known
    checks = (
        (address.is_loopback, "a loopback address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (isinstance(address, IPv6Address) and address.is_site_local, "a site-local address"),
        (isinstance(address, IPv6Address) and address in _AWS_LOCAL, "the metadata service of AWS"),
    )
    return next((kind for forbidden, kind in checks if forbidden), _special_kind(address))


def _special_kind(address: _Address) -> str | None:
    """The special-purpose block of an address that is not globally reachable by it; None if there is none."""
    for block, name, reachable in _SPECIAL:
        if block.version == address.version and address in block:
            forbidden = reachable is False and not name.startswith(_USABLE)
            return f"an address of {block}, for which IANA's registry has the purpose {name!r}" if forbidden else None
    return None


def _embedded(address: _Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may be translated to on its way."""
    if isinstance(address, IPv4Address):
        return
    number = int(address)
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield address.teredo[1]
    if address in _LOCAL_NAT64 and not number & 0xFFFFFFFF:
        # RFC 6052, section 2.2, for a prefix of 48 bits: 16 bits, 8 zero bits, 16 bits.
        yield IPv4Address((number >> 48 & 0xFFFF0000) | (number >> 40 & 0xFFFF))
    elif any(address in net for net in _LAST_32_BITS) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(number & 0xFFFFFFFF)


def host_port(address: str, port: int) -> str:
    """ADDRESS:PORT, with an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
