"""Themes about the addresses of entries: which a connection has dialed, and which family it is of."""

from tests.truth.generate.draw import Draw
from tests.truth.generate.themes import Theme, foreign_entry, pick, plain
from tests.truth.world import ALLOCATED, NATURAL

_FAR = "192.0.2.10"


def other_family(draw: Draw, _: str) -> Theme:
    """Entries that have IPv6 addresses only."""
    host = plain(draw)
    how = pick(
        draw,
        {"resolution": "STATIC", "endpoints": [{"address": "2001:db8::51"}]},
        {"resolution": "STATIC", "endpoints": [{"address": "2001:db8::51"}], "addresses": ["2001:db8::10"]},
        {"resolution": "NONE", "addresses": ["2001:db8::10"]},
        {"resolution": "DNS", "addresses": ["2001:db8::10", NATURAL[host]]},
    )
    entry = foreign_entry(draw, host, (80, "HTTP"), (443, "TLS"), (3306, "TCP"), **how)
    return Theme([entry], [(host, 80, "HTTP"), (host, 443, "TLS"), (host, 3306, "TCP")])


def one_address_ranges(draw: Draw, _: str) -> Theme:
    """Ranges of one address, and addresses: other connections on the port are unregistered."""
    host, other = plain(draw), plain(draw)
    address = f"{NATURAL[host]}/32" if draw.chance(0.85) else NATURAL[host]
    how = pick(draw, {"resolution": "NONE"}, {"resolution": "STATIC", "endpoints": [{"address": "203.0.113.50"}]})
    entry = foreign_entry(draw, host, (8443, "TCP"), (3306, "TCP"), addresses=[address], **how)
    return Theme([entry], [(each, port, "TCP") for each in (host, other, other) for port in (8443, 3306)])


def ranges_by_name(draw: Draw, _: str) -> Theme:
    """Address ranges, asked by name and by addresses inside and outside."""
    host, other = plain(draw), plain(draw)
    own = f"{NATURAL[host].rpartition('.')[0]}.0/24"
    addresses = [own if draw.chance(0.7) else draw.one(("198.51.100.0/24", "203.0.113.0/28"))]
    entry = foreign_entry(draw, host, (443, "TLS"), (3306, "TCP"), (80, "HTTP"), addresses=addresses, resolution="NONE")
    ports = ((443, "TLS"), (3306, "TCP"), (3306, "TCP"), (80, "HTTP"))
    return Theme([entry], [(each, *port) for each in (host, other) for port in ports], addresses={other: _FAR})


def shared_address(draw: Draw, _: str) -> Theme:
    """Two hosts at one address."""
    one, other = plain(draw), plain(draw)
    number, protocol = draw.one(((443, "TLS"), (3306, "TCP"), (443, "TCP"), (8443, "TCP")))
    addresses = [NATURAL[one]]
    objects = [foreign_entry(draw, host, (number, protocol), addresses=addresses) for host in (one, other)]
    return Theme(objects, [(one, number, protocol), (other, number, protocol)], addresses={other: NATURAL[one]})


def dns_capture(draw: Draw, _: str) -> Theme:
    """Sidecars answer DNS queries, with the addresses that istiod allocates: each host of a port has its own."""
    ports = ((443, "TLS"), (3306, "TCP"), (8443, draw.one(("", "TCP"))))
    hosts = [plain(draw), plain(draw), plain(draw)]
    objects = [foreign_entry(draw, host, *ports) for host in hosts]
    mesh = {"defaultConfig": {"proxyMetadata": {"ISTIO_META_DNS_CAPTURE": "true"}}}
    places = [(host, number, "TCP") for host in hosts for number in (443, 3306, 8443)]
    return Theme(objects, places, mesh, addresses=dict.fromkeys(hosts, ALLOCATED))
