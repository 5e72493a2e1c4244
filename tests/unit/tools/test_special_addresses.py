"""IANA's registries are read as IANA writes them."""

from pathlib import Path

from tests.support.paths import ROOT
from tools.special_addresses import TARGET, read_blocks, rendered

REGISTRY = """Address Block,Name,RFC,Allocation Date,Termination Date,Source,Destination,Forwardable,Globally Reachable
0.0.0.0/8,\"\"\"This network\"\"\",\"[RFC791], Section 3.2\",1981-09,N/A,True,False,False,False
127.0.0.0/8,Loopback,[RFC1122],1981-09,N/A,False [1],False [1],False [1],False [1]
192.0.0.0/24 [2],IETF Protocol Assignments,[RFC6890],2010-01,N/A,False,False,False,False
192.0.0.9/32,Port Control Protocol Anycast,[RFC7723],2015-10,N/A,True,True,True,True
\"192.0.0.170/32, 192.0.0.171/32\",NAT64/DNS64 Discovery,[RFC8880],2013-02,N/A,False,False,False,False
192.88.99.0/24,Deprecated (6to4 Relay Anycast),[RFC7526],2001-06,2015-03,,,,
255.255.255.255/32,Limited Broadcast,\"[RFC8190]
        [RFC919], Section 7\",1984-10,N/A,False,True,False,False
64:ff9b:1::/48,IPv4-IPv6 Translat.,[RFC8215],2017-06,N/A,True,True,True,False
2001::/32,TEREDO,[RFC4380],2006-01,N/A,True,True,True,N/A [2]
"""


def test_blocks(tmp_path: Path) -> None:
    """With footnotes, quotes, two blocks in a row, and what the registry leaves open or embeds IPv4."""
    path = tmp_path / "registry.csv"
    path.write_text(REGISTRY)
    assert list(read_blocks(path)) == [
        ("0.0.0.0/8", "This network", False),
        ("127.0.0.0/8", "Loopback", False),
        ("192.0.0.0/24", "IETF Protocol Assignments", False),
        ("192.0.0.9/32", "Port Control Protocol Anycast", True),
        ("192.0.0.170/32", "NAT64/DNS64 Discovery", False),
        ("192.0.0.171/32", "NAT64/DNS64 Discovery", False),
        ("192.88.99.0/24", "Deprecated (6to4 Relay Anycast)", None),
        ("255.255.255.255/32", "Limited Broadcast", False),
        ("64:ff9b:1::/48", "IPv4-IPv6 Translat.", None),
        ("2001::/32", "TEREDO", None),
    ]


def test_the_module_keeps_its_text() -> None:
    """Only the blocks are replaced, in the order of addresses."""
    source = (ROOT / TARGET).read_text()
    written = rendered([("100::/64", "b", False), ("10.0.0.0/8", "a", None)], source)
    assert written.startswith(source[: source.index(" = (")])
    assert written.endswith(' = (\n    ("10.0.0.0/8", "a", None),\n    ("100::/64", "b", False),\n)\n')
