"""The registry as one namespace sees it: who registers what, and what takes it from whom."""

from typing import Any

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import Resource
from egress_server.domain.simulate.registry import Item, registry
from tests.support.meshes import BIRTH, History, cluster, entry, ports

HOST = ("bank.example.com",)


def held(*resources: Resource) -> Effective:
    """What one cluster holds of these, set in this order."""
    return effective(History(cluster(), *resources).snapshot, cluster(), BIRTH)


def seen(*resources: Resource, namespace: str = "default") -> dict[tuple[str, str, int], Item]:
    """Items by id of the entry, host and port."""
    items = registry(held(*resources), namespace)
    return {(i.entry.name.rpartition("/")[2], i.host, i.port.number): i for i in items}


def test_every_host_and_port() -> None:
    """Each host of an entry with each of its ports is an item that serves."""
    items = seen(entry("two", hosts=("a.example.com", "*.b.example.com")))
    assert list(items) == [
        ("two", "a.example.com", 80),
        ("two", "a.example.com", 443),
        ("two", "*.b.example.com", 80),
        ("two", "*.b.example.com", 443),
    ]
    assert all(item.visible and item.serves and not item.why for item in items.values())


def test_visibility() -> None:
    """What is not exported to the namespace is there, not visible, and says to whom it is exported."""
    item = seen(entry("bank", export_to=(".", "prod")), namespace="shop")["bank", HOST[0], 80]
    assert (item.visible, item.serves, item.shadowed_by) == (False, False, "")
    assert item.why == "exported to its own namespace, prod and not to shop"


def test_own_namespace_shadows() -> None:
    """The client's own namespace takes a host wholly from an older entry, with ports that it does not have."""
    shop = entry("s", namespace="shop", hosts=HOST)
    prod = entry("p", namespace="prod", hosts=HOST, ports=ports("80:HTTP"))
    items = seen(shop, prod, namespace="prod")
    assert items["p", HOST[0], 80].serves
    for port in (80, 443):
        shadowed = items["s", HOST[0], port]
        assert (shadowed.visible, shadowed.serves, shadowed.shadowed_by) == (True, False, prod.name)
        assert shadowed.why == (
            "entries of different namespaces don't merge; bank.example.com is taken from prod, the client's own"
        )


def test_oldest_namespace_shadows() -> None:
    """Where the client has none of its own, the oldest namespace wins; one that is not visible shadows nothing."""
    hidden = entry("h", namespace="n", hosts=HOST, export_to=(".",))
    shop, prod = entry("s", namespace="shop", hosts=HOST), entry("p", namespace="prod", hosts=HOST)
    items = seen(hidden, shop, prod)
    assert items["s", HOST[0], 80].serves
    assert items["p", HOST[0], 80].shadowed_by == shop.name
    assert "shop, that of the oldest" in items["p", HOST[0], 80].why


def test_older_port_shadows() -> None:
    """Within a namespace ports merge, and of two for one port the older serves."""
    first = entry("first", hosts=HOST, ports=ports("443:TLS"))
    second = entry("second", hosts=HOST, ports=ports("80:HTTP", "443:TCP"))
    items = seen(first, second)
    assert items["second", HOST[0], 80].serves
    assert items["second", HOST[0], 443].shadowed_by == first.name
    assert "an older entry of namespace default declares port 443" in items["second", HOST[0], 443].why


@pytest.mark.parametrize("first", ["HTTP", "TLS", "TCP", "GRPC"])
@pytest.mark.parametrize("second", ["HTTP", "TLS", "GRPC"])
def test_what_is_spoken_tells_apart(first: str, second: str) -> None:
    """HTTP, TLS and TCP of different hosts share a port: the first bytes tell them apart."""
    items = seen(entry("a", ports=ports(f"8000:{first}")), entry("b", ports=ports(f"8000:{second}")))
    assert all(item.serves for item in items.values())
    assert all(item.serves for item in seen(entry("raw", ports=ports(f"80:{first}"))).values())


@pytest.mark.parametrize("other", ["HTTP", "TLS", "TCP"])
def test_mongo_shares_a_port_with_nobody(other: str) -> None:
    """Of MONGO and another protocol on a port the older one serves."""
    first = entry("first", ports=ports("27017:MONGO"))
    items = seen(first, entry("second", ports=ports(f"27017:{other}")), entry("third", ports=ports("27017:MONGO")))
    assert items["first", "first.example.com", 27017].serves
    shadowed = items["second", "second.example.com", 27017]
    assert (shadowed.serves, shadowed.shadowed_by) == (False, first.name)
    assert "MONGO shares a port with no other protocol" in shadowed.why
    late = seen(entry("first", ports=ports(f"27017:{other}")), entry("second", ports=ports("27017:MONGO")))
    assert not late["second", "second.example.com", 27017].serves
    on_80 = seen(entry("raw", ports=ports("80:MONGO")))["raw", "raw.example.com", 80]
    assert (on_80.serves, on_80.shadowed_by) == (False, "")
    assert on_80.why.endswith("is taken by the mesh's own services")
    assert seen(entry("raw", ports=ports("80:MONGO"), addresses=("203.0.113.1",)))["raw", "raw.example.com", 80].serves


def test_tcp_without_addresses_takes_the_port() -> None:
    """Of two TCP hosts on one port without addresses the older takes every connection; with addresses both serve."""
    first = entry("first", ports=ports("3306:TCP"))
    items = seen(first, entry("second", ports=ports("3306:TCP")))
    shadowed = items["second", "second.example.com", 3306]
    assert (shadowed.serves, shadowed.shadowed_by) == (False, first.name)
    assert "takes every connection to port 3306 without addresses" in shadowed.why
    apart = seen(
        entry("first", ports=ports("3306:TCP"), addresses=("203.0.113.1",)),
        entry("second", ports=ports("3306:TCP"), addresses=("203.0.113.2", "203.0.113.1")),
        entry("third", ports=ports("3306:TCP"), addresses=("203.0.113.1",)),
    )
    assert [item.serves for item in apart.values()] == [True, True, False]


def test_one_entry_of_many_hosts_shadows_nothing_of_itself() -> None:
    """TCP hosts of one entry can't be told apart, and all lead to it."""
    items = seen(entry("db", hosts=("a.example.com", "b.example.com"), ports=ports("3306:TCP")))
    assert all(item.serves for item in items.values())


def test_tls_hosts_share_a_port() -> None:
    """TLS hosts are told apart by server name, also beside TCP without addresses."""
    items = seen(
        entry("a", ports=ports("443:TLS")), entry("b", ports=ports("443:HTTPS")), entry("c", ports=ports("443:TCP"))
    )
    assert all(item.serves for item in items.values())


def test_a_single_address_is_the_oldest_entrys() -> None:
    """It has a listener of its own that looks at nothing, so TLS to another name is taken by it too."""
    at: dict[str, Any] = {"addresses": ("203.0.113.7",), "ports": ports("443:TLS")}
    items = seen(entry("a", **at), entry("b", **at), entry("c", addresses=("203.0.113.0/24",), ports=ports("443:TLS")))
    assert {item.entry.hosts[0]: item.serves for item in items.values()} == {
        "a.example.com": True,
        "b.example.com": False,
        "c.example.com": True,
    }


def test_of_one_port() -> None:
    """The items of one port are those of the whole registry."""
    entries = [entry("a"), entry("b", ports=ports("80:TCP")), entry("c", hosts=HOST), entry("d", hosts=HOST)]
    wanted = held(*entries)
    for port in (80, 443, 81):
        assert registry(wanted, "default", port) == [i for i in registry(wanted, "default") if i.port.number == port]
