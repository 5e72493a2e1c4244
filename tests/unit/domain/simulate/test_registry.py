"""The registry as one namespace sees it: who registers what, and who takes precedence."""

from typing import Any

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import Resource
from egress_server.domain.simulate.registry import RegistryItem, registry
from tests.support.meshes import BIRTH, History, cluster, entry, ports

HOST = ("bank.example.com",)


def held(*resources: Resource) -> Effective:
    """The policy in effect on one cluster, given these resources in this order."""
    return effective(History(cluster(), *resources).snapshot, cluster(), BIRTH)


def seen(*resources: Resource, namespace: str = "default") -> dict[tuple[str, str, int], RegistryItem]:
    """Items by id of the entry, host and port."""
    items = registry(held(*resources), namespace)
    return {(i.entry.name.rpartition("/")[2], i.host, i.port.number): i for i in items}


def test_every_host_and_port() -> None:
    """Each host of an entry with each of its ports is a reachable item."""
    items = seen(entry("two", hosts=("a.example.com", "*.b.example.com")))
    assert list(items) == [
        ("two", "a.example.com", 80),
        ("two", "a.example.com", 443),
        ("two", "*.b.example.com", 80),
        ("two", "*.b.example.com", 443),
    ]
    assert all(item.visible and item.reachable and not item.reason for item in items.values())


def test_visibility() -> None:
    """What is not exported to the namespace is listed as not visible, with the namespaces that it is exported to."""
    item = seen(entry("bank", export_to=(".", "prod")), namespace="shop")["bank", HOST[0], 80]
    assert (item.visible, item.reachable, item.shadowed_by) == (False, False, "")
    assert item.reason == "exported to its own namespace, prod but not to shop"


def test_own_namespace_shadows() -> None:
    """An entry in the client's own namespace replaces an older one entirely, including ports that it lacks."""
    shop = entry("s", namespace="shop", hosts=HOST)
    prod = entry("p", namespace="prod", hosts=HOST, ports=ports("80:HTTP"))
    items = seen(shop, prod, namespace="prod")
    assert items["p", HOST[0], 80].reachable
    for port in (80, 443):
        shadowed = items["s", HOST[0], port]
        assert (shadowed.visible, shadowed.reachable, shadowed.shadowed_by) == (True, False, prod.name)
        assert shadowed.reason == (
            "entries in different namespaces are not merged, and bank.example.com is provided by namespace prod "
            "because it is the client's own namespace"
        )


def test_oldest_namespace_shadows() -> None:
    """If the client's namespace has no entry, the oldest wins; one that is not visible shadows nothing."""
    hidden = entry("h", namespace="n", hosts=HOST, export_to=(".",))
    shop, prod = entry("s", namespace="shop", hosts=HOST), entry("p", namespace="prod", hosts=HOST)
    items = seen(hidden, shop, prod)
    assert items["s", HOST[0], 80].reachable
    assert items["p", HOST[0], 80].shadowed_by == shop.name
    assert "namespace shop because its entry is the oldest" in items["p", HOST[0], 80].reason


def test_older_port_shadows() -> None:
    """Within a namespace ports are merged, and of two entries for one port the older one is used."""
    first = entry("first", hosts=HOST, ports=ports("443:TLS"))
    second = entry("second", hosts=HOST, ports=ports("80:HTTP", "443:TCP"))
    items = seen(first, second)
    assert items["second", HOST[0], 80].reachable
    assert items["second", HOST[0], 443].shadowed_by == first.name
    assert "an older entry in namespace default already declares port 443" in items["second", HOST[0], 443].reason


@pytest.mark.parametrize("first", ["HTTP", "TLS", "TCP", "GRPC"])
@pytest.mark.parametrize("second", ["HTTP", "TLS", "GRPC"])
def test_protocols_share_a_port(first: str, second: str) -> None:
    """HTTP, TLS and TCP of different hosts can share a port: the first bytes distinguish them."""
    items = seen(entry("a", ports=ports(f"8000:{first}")), entry("b", ports=ports(f"8000:{second}")))
    assert all(item.reachable for item in items.values())
    assert all(item.reachable for item in seen(entry("raw", ports=ports(f"80:{first}"))).values())


@pytest.mark.parametrize("other", ["HTTP", "TLS", "TCP"])
def test_mongo_shares_no_port(other: str) -> None:
    """Of MONGO and another protocol on a port only the older one is reachable."""
    first = entry("first", ports=ports("27017:MONGO"))
    items = seen(first, entry("second", ports=ports(f"27017:{other}")), entry("third", ports=ports("27017:MONGO")))
    assert items["first", "first.example.com", 27017].reachable
    shadowed = items["second", "second.example.com", 27017]
    assert (shadowed.reachable, shadowed.shadowed_by) == (False, first.name)
    assert "MONGO can't share a port with other protocols" in shadowed.reason
    late = seen(entry("first", ports=ports(f"27017:{other}")), entry("second", ports=ports("27017:MONGO")))
    assert not late["second", "second.example.com", 27017].reachable
    on_80 = seen(entry("raw", ports=ports("80:MONGO")))["raw", "raw.example.com", 80]
    assert (on_80.reachable, on_80.shadowed_by) == (False, "")
    assert on_80.reason.endswith("is already used by the cluster's own Services")
    assert seen(entry("raw", ports=ports("80:MONGO"), addresses=("203.0.113.1",)))[
        "raw", "raw.example.com", 80
    ].reachable


def test_tcp_without_addresses_takes_the_port() -> None:
    """Of two TCP hosts on one port without addresses the older one captures every connection; with addresses both are
    reachable."""
    first = entry("first", ports=ports("3306:TCP"))
    items = seen(first, entry("second", ports=ports("3306:TCP")))
    shadowed = items["second", "second.example.com", 3306]
    assert (shadowed.reachable, shadowed.shadowed_by) == (False, first.name)
    assert "captures every connection to port 3306 because it has no addresses" in shadowed.reason
    apart = seen(
        entry("first", ports=ports("3306:TCP"), addresses=("203.0.113.1",)),
        entry("second", ports=ports("3306:TCP"), addresses=("203.0.113.2", "203.0.113.1")),
        entry("third", ports=ports("3306:TCP"), addresses=("203.0.113.1",)),
    )
    assert [item.reachable for item in apart.values()] == [True, True, False]


def test_one_entry_of_many_hosts_shadows_nothing_of_itself() -> None:
    """TCP hosts of one entry can't be distinguished, and all lead to it."""
    items = seen(entry("db", hosts=("a.example.com", "b.example.com"), ports=ports("3306:TCP")))
    assert all(item.reachable for item in items.values())


def test_tls_hosts_share_a_port() -> None:
    """TLS hosts are distinguished by server name, even with TCP without addresses on the same port."""
    items = seen(
        entry("a", ports=ports("443:TLS")), entry("b", ports=ports("443:HTTPS")), entry("c", ports=ports("443:TCP"))
    )
    assert all(item.reachable for item in items.values())


def test_a_single_address_is_the_oldest_entrys() -> None:
    """It has a listener of its own that inspects nothing, so it captures TLS to other names, too."""
    at: dict[str, Any] = {"addresses": ("203.0.113.7",), "ports": ports("443:TLS")}
    items = seen(entry("a", **at), entry("b", **at), entry("c", addresses=("203.0.113.0/24",), ports=ports("443:TLS")))
    assert {item.entry.hosts[0]: item.reachable for item in items.values()} == {
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
