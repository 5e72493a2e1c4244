"""Forbidden addresses, in every form that leads to them."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.model.addresses import address_problem, host_port

FORBIDDEN = [
    *("127.0.0.1", "127.1.2.3", "127.255.255.255", "::1", "::1%lo"),
    *("0.0.0.0", "0.1.2.3", "::"),
    *("169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe"),
    *("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    # By IANA's registries.
    *("192.0.0.1", "192.0.0.8", "192.0.0.170", "192.88.99.2"),
    *("100::1", "100:0:0:1::1", "2001:1::4", "2001:100::1", "5f00::1"),
    *("224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255", "fec0::1"),
    # IPv4 within IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64 (public and one's own), ISATAP.
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1", "::7f00:1"),
    *("::ffff:0:127.0.0.1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::"),
    *("64:ff9b:1:a9fe:a9:fe00::", "2001:db8::5efe:7f00:1", "2001:db8::200:5efe:169.254.169.254"),
]

ALLOWED = [
    *("198.51.100.7", "203.0.113.10", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8"),
    # Addresses that Istio allocates, and special ones that are reachable.
    *("240.240.0.1", "2001:2::f0f0:1", "192.0.0.9", "192.31.196.1", "2001:1::1", "2001:20::1", "2620:4f:8000::1"),
    *("198.18.0.1", "192.88.99.1", "fc00::1", "3fff::1"),
    *("2001:db8::1", "2400:3200::1", "fd12:3456::1", "::ffff:198.51.100.7", "64:ff9b::c633:6407"),
    *("64:ff9b:1:c633:64:700::", "64:ff9b:1::198.51.100.7", "2002:c633:6407::1", "2001:db8::5efe:198.51.100.7"),
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden(address: str) -> None:
    """An address that leads back into the infrastructure is forbidden, and the reason quotes it as given."""
    why = address_problem(address)
    assert why is not None
    assert why.startswith(f"{address} is ")


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address: str) -> None:
    """Public and private addresses are allowed, even if embedded in IPv6."""
    assert address_problem(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0x7f.1", "010.0.0.1", "1.2.3.4:80", "[::1]"])
def test_no_address(text: str) -> None:
    """What is not a canonical IP address is refused rather than guessed."""
    with pytest.raises(ValueError, match="does not appear to be"):
        address_problem(text)


@given(st.ip_addresses(v=4))
def test_disguises_change_nothing(address: IPv4Address) -> None:
    """A forbidden IPv4 address is forbidden in every IPv6 form that embeds it."""
    number = int(address)
    disguises = (
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
        IPv6Address((0x0064FF9B << 96) | number),
    )
    if address_problem(str(address)):
        assert all(address_problem(str(disguise)) for disguise in disguises)


def test_host_port() -> None:
    """An endpoint is written with brackets for IPv6."""
    assert host_port("198.51.100.7", 80) == "198.51.100.7:80"
    assert host_port("2001:db8::1", 443) == "[2001:db8::1]:443"
