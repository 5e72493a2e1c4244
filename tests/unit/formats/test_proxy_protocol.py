"""The bytes of a PROXY protocol header, as in its specification."""

import pytest

from egress_server.formats.proxy_protocol import Endpoint, encode_header

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def test_ipv4() -> None:
    """Version 2, PROXY, TCP over IPv4, 12 bytes: addresses first, then ports."""
    made = encode_header(("127.0.0.1", 8080), ("203.0.113.10", 80))
    assert made == SIGNATURE + bytes.fromhex("2111 000c 7f000001 cb00710a 1f90 0050")


def test_ipv6() -> None:
    """TCP over IPv6 carries 36 bytes."""
    made = encode_header(("::1", 1), ("2001:db8::1", 2))
    assert made[12:16] == bytes.fromhex("2121 0024")
    assert made[16:48].hex() == f"{1:032x}" + "20010db8" + f"{1:024x}"
    assert made[48:] == bytes.fromhex("0001 0002")


@pytest.mark.parametrize(
    ("source", "destination", "why"),
    [
        (("127.0.0.1", 1), ("::1", 1), "different IP versions"),
        (("127.0.0.1", 70000), ("127.0.0.1", 1), "port 70000"),
        (("example.com", 1), ("127.0.0.1", 1), "example.com"),
    ],
)
def test_rejected(source: Endpoint, destination: Endpoint, why: str) -> None:
    """A ValueError for what the format can't express."""
    with pytest.raises(ValueError, match=why):
        encode_header(source, destination)
