"""The kernel's list of sockets, as Linux prints it on x86-64, and what it says of a connection."""

import pytest

from egress_server.agents.agent.pod_dialer import is_captured, listener

HEAD = b"""\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
"""
TAIL = b"00000000:00000000 00:00000000 00000000  1337        0 1657 1 0000000036702423 100 0 0 10 0\n"
# What a sidecar's namespace shows: it listens at 15001 on all of IPv4 and IPv6, as two sockets each; from
# 192.0.2.77:43104 and [2001:db8::77]:40000 came one connection, from :40001 one that is over.
TCP = (
    HEAD
    + b"   0: 00000000:3A99 00000000:0000 0A " + TAIL
    + b"   1: 00000000:3A99 00000000:0000 0A " + TAIL
    + b"   2: 0100007F:3A98 00000000:0000 0A " + TAIL
    + b"   3: 4D0200C0:A860 096433C6:0050 01 " + TAIL
    + b"   4: 0100007F:3A99 4D0200C0:A860 01 " + TAIL
    + b"   5: 0100007F:3A99 4D0200C0:9C41 06 " + TAIL
    + b"   6: 0100007F:3A99 4D0200C0:9C42 05 " + TAIL
    + b"   7: 0100007F:3A99 4D0200C0:9C43 03 " + TAIL
    + b"   8: 4D0200C0:9C44 096433C6:3A99 01 " + TAIL
)  # fmt: skip
TCP6 = (
    HEAD
    + b"   0: 00000000000000000000000000000000:3A99 00000000000000000000000000000000:0000 0A " + TAIL
    + b"   1: 00000000000000000000000001000000:3A99 B80D0120000000000000000077000000:9C40 01 " + TAIL
    + b"   2: 0000000000000000FFFF00000100007F:3A99 0000000000000000FFFF00004D0200C0:9C45 01 " + TAIL
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "port", "caught"),
    [
        ("192.0.2.77", 43104, True),
        ("192.0.2.77", 43105, False),
        ("192.0.2.78", 43104, False),
        ("2001:db8::77", 40000, True),
        ("2001:db8::78", 40000, False),
        ("2001:db8::77", 40001, False),
        ("192.0.2.77", 0x9C45, True),  # by a socket that takes both families
        ("192.0.2.77", 0x9C43, True),  # not accepted yet
        ("192.0.2.77", 0x9C42, True),  # the sidecar has closed it already
        ("192.0.2.77", 0x9C41, False),  # an earlier one of the same port
        ("192.0.2.77", 0x9C44, False),  # its own end, of a connection to another's port 15001
    ],
)
def test_caught(address: str, port: int, caught: bool) -> None:
    """A connection is caught where the sidecar's port has a socket with its address and port as the remote end."""
    assert is_captured(TCP + TCP6, (address, port)) is caught


def test_other_capture_port() -> None:
    """The port is the mesh's to choose."""
    tables = TCP.replace(b":3A99", b":3E80")
    assert is_captured(tables, ("192.0.2.77", 43104), 16000)
    assert not is_captured(tables, ("192.0.2.77", 43104))


@pytest.mark.parametrize(
    ("tables", "port", "ipv6", "uid"),
    [
        (TCP + TCP6, 15001, False, 1337),
        (TCP + TCP6, 15001, True, 1337),
        (TCP6, 15001, False, 1337),
        (TCP, 15001, True, None),
        (TCP + TCP6, 15000, False, 1337),
        (TCP + TCP6, 15000, True, None),
        (TCP + TCP6, 15006, False, None),
        (b"", 15001, False, None),
    ],
)
def test_listener(tables: bytes, port: int, ipv6: bool, uid: int | None) -> None:
    """Who listens at a port; one that does for IPv4 alone is none for IPv6."""
    assert listener(tables, port, ipv6=ipv6) == uid
