"""Inventories of many clusters, looked up by host, port and namespace; a newer record replaces the last one."""

from egress_server.domain.istio.listener_protocol import ListenerProtocol
from egress_server.domain.observed.inventory import PolicyGap, PolicyGapKind
from egress_server.domain.observed.inventory_index import Inventories
from tests.support.inventories import foreign, inventory, routes, service, sidecar
from tests.support.meshes import ports

HOST = "bank.example.com"
GAP = PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "shop", "web-1", "it has no sidecar")


def full(cluster: str) -> Inventories:
    """The inventory of one cluster with one object of each kind."""
    return Inventories(
        [
            inventory(
                cluster,
                services=(service(),),
                entries=(foreign("bank", ports=ports("443:TLS", "3306:TCP")),),
                virtual_services=(routes(HOST, "*.example.com"),),
                sidecars=(sidecar("./*"), sidecar(), sidecar("./*", match_labels={"a": "b"})),
                policy_gaps=(GAP,),
                namespaces=("shop",),
            )
        ]
    )


def test_found_by_what_it_is_about() -> None:
    """Each object is found by its host, port or namespace, on the cluster that has it."""
    known = full("a")
    assert list(known) == ["a"]
    assert len(known) == 1
    assert known["a"].namespaces == ("shop",)
    assert [n.entry.name for n in known.with_host(HOST)["a"]] == ["ServiceEntry/default/bank"]
    assert [n.entry.name for n in known.on_port(80, ListenerProtocol.HTTP)["a"]] == ["Service/shop/web"]
    assert [n.entry.name for n in known.on_port(443, ListenerProtocol.SNI)["a"]] == ["ServiceEntry/default/bank"]
    assert known.virtual_service_for("*.example.com")["a"].name == "theirs"
    assert [row["a"].egress_hosts for row in known.restricting_sidecars()] == [("./*",)]
    assert known.policy_gaps("shop") == {"a": (GAP,)}
    assert list(known.namespaces_with_gaps()) == [{"a": (GAP,)}]
    assert known.has_namespace("shop")


def test_newer_record() -> None:
    """It replaces the cluster's last one, and leaves those of other clusters alone."""
    known = full("a")
    known.put(full("b")["b"])
    known.put(inventory("a"))
    assert list(known.with_host(HOST)) == ["b"]
    assert list(known.virtual_service_for(HOST)) == ["b"]
    known.put(inventory("b"))
    assert (known.with_host(HOST), known.virtual_service_for(HOST), known.policy_gaps("shop")) == ({}, {}, {})
    assert known.on_port(80, ListenerProtocol.HTTP) == {}
    assert list(known.restricting_sidecars()) == []
    assert not known.has_namespace("shop")
    assert len(known) == 2


def test_dropped() -> None:
    """After the inventory of a cluster was dropped nothing of it is found, and the others stay; dropping an unknown one
    is fine."""
    known = full("a")
    known.put(full("b")["b"])
    known.drop("a")
    known.drop("c")
    assert list(known) == ["b"]
    assert list(known.with_host(HOST)) == ["b"]
    assert known.policy_gaps("shop") == {"b": (GAP,)}
    known.drop("b")
    assert (list(known), known.with_host(HOST), list(known.restricting_sidecars())) == ([], {}, [])
    assert not known.has_namespace("shop")
