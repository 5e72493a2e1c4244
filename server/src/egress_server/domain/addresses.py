"""Addresses that no probe may dial and no service entry may point at, since they lead back into the infrastructure.

Private ranges are allowed: a bank's partner is often reached over one. Loopback, link-local and the clouds' metadata
services are not: from a workload they are never an external service, and a probe to them reads secrets.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_METADATA = {
    "100.100.100.200": "the metadata service of Alibaba Cloud",
    "168.63.129.16": "the platform address of Azure",
    "169.254.169.254": "the metadata service of the clouds",
    "192.0.0.192": "the metadata service of Oracle Cloud",
    "fd00:ec2::254": "the metadata service of AWS",
    "fd20:ce::254": "the metadata service of Google Cloud",
}
# Linux connects these to itself or nowhere.
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
# RFC 6052 and RFC 8215: IPv6 that a NAT64 gateway turns into the IPv4 address in its last 32 bits.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


def why_forbidden(text: str) -> str | None:
    """What is wrong with an IP address as a destination, for people; None where it is fine.

    Raises ValueError where `text` is no IP address.
    """
    address = _plain(ip_address(text.partition("%")[0]))
    if what := _METADATA.get(str(address)):
        return f"{text} is {what}"
    checks = (
        (address.is_loopback, "a loopback address"),
        (address.is_unspecified, "the unspecified address"),
        (address.is_link_local, "a link-local address"),
        (address.is_multicast, "a multicast address"),
        (isinstance(address, IPv4Address) and address in _THIS_NETWORK, "an address of 'this network'"),
        (str(address) == "255.255.255.255", "the broadcast address"),
    )
    return next((f"{text} is {what}" for wrong, what in checks if wrong), None)


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for (mapped, 6to4, Teredo, NAT64, compatible), else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if any(address in net for net in _NAT64) or (int(address) >> 32 == 0 and low > 1):
        return IPv4Address(low)
    return address
