"""Routes and faults for a host that may have a foreign VirtualService: who owns it, and how managed ones are merged
if it is adopted."""

import json
from typing import Any

import pytest

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION
from egress_server.domain.model.resources import HeaderMatch, MatchKind, Resolution, StringMatch, TrafficSettings
from egress_server.targets.kubernetes.last_applied import SavedFields, object_key
from egress_server.targets.kubernetes.observe.observation import Observation
from tests.support.meshes import entry, fault
from tests.unit.targets.kubernetes.observations import cluster, found, observe, one, projected, reasons, virtual_service

HOST = "bank.example.com"
BANK, BROKEN = entry("bank"), fault("broken")
OWNER = "VirtualService/default/theirs"


@pytest.mark.parametrize(
    "theirs",
    [
        virtual_service("theirs", "other.example.com"),
        virtual_service("theirs", "*.example.com"),
        virtual_service("theirs", HOST, spec={"gateways": ["istio-system/egress"]}),
        virtual_service("theirs", HOST, namespace="shop", spec={"exportTo": ["."]}),
        virtual_service("theirs", HOST, namespace="shop", spec={"exportTo": ["lab"]}),
    ],
)
def test_who_does_not_own_the_host(theirs: Any) -> None:
    """Another host, a wildcard, one only for gateways, one that is not visible in our namespace."""
    projection = projected(cluster(), observe(theirs), BANK, BROKEN)
    assert reasons(projection) == {}
    assert one(projection, "VirtualService")["metadata"]["name"] == f"egress-{HOST}"


@pytest.mark.parametrize(
    "theirs",
    [
        virtual_service("theirs", HOST),
        virtual_service("theirs", HOST, namespace="shop"),
        virtual_service("theirs", HOST, namespace="istio-system"),
        virtual_service("theirs", HOST, spec={"exportTo": ["."]}),
        virtual_service("theirs", HOST, namespace="shop", spec={"exportTo": ["default"]}),
        virtual_service("theirs", HOST, spec={"gateways": ["istio-system/egress", "mesh"]}),
        virtual_service("theirs", HOST.upper()),
    ],
)
def test_who_owns_the_host(theirs: Any) -> None:
    """The fault is rejected, but not the entry."""
    projection = projected(cluster(), observe(theirs), BANK, BROKEN)
    assert reasons(projection) == {"broken": "FOREIGN_OWNER"}
    assert [obj["kind"] for obj in projection.objects] == ["ServiceEntry"]
    name = f"VirtualService/{theirs.key.namespace}/theirs"
    assert f"egressctl cluster adopt c0 {name}" in projection.obstacles[BROKEN.name].message


def test_traffic_settings_are_rejected_with_the_faults() -> None:
    """They are in the same object."""
    slow = entry("bank", traffic=TrafficSettings(timeout=1.0))
    assert reasons(projected(cluster(), observe(virtual_service("theirs", HOST)), slow, BROKEN)) == {
        "bank": "FOREIGN_OWNER",
        "broken": "FOREIGN_OWNER",
    }


def test_an_older_managed_one_is_kept() -> None:
    """Istio uses the older one."""
    ours = virtual_service(f"egress-{HOST}", HOST, managed=True, age=5)
    assert reasons(projected(cluster(), observe(ours, virtual_service("theirs", HOST, age=1)), BANK, BROKEN)) == {}
    assert reasons(projected(cluster(), observe(ours, virtual_service("theirs", HOST, age=9)), BANK, BROKEN)) == {
        "broken": "FOREIGN_OWNER"
    }


def merged(observed: Observation, *resources: Any) -> dict[str, Any]:
    """Our fields of the owner's object, which is adopted."""
    return one(projected(cluster(OWNER), observed, *resources), "VirtualService")


def test_a_fault_goes_onto_each_of_the_owners_routes() -> None:
    """Requests without the fault still go where the owner routes them."""
    canary = {"match": [{"headers": {"x": {"exact": "1"}}}], "route": [{"destination": {"host": "canary.example"}}]}
    rest = {"name": "rest", "route": [{"destination": {"host": HOST}}], "timeout": "3s"}
    part = merged(observe(virtual_service("theirs", HOST, http=[canary, rest])), BANK, BROKEN)
    aborted = {"abort": {"percentage": {"value": 100.0}, "httpStatus": 503}}
    assert part["metadata"]["labels"] == {}
    assert part["spec"] == {
        "http": [
            {"name": "fault-default.broken", "fault": aborted, **canary},
            {**rest, "name": "fault-default.broken/their-1", "fault": aborted},
        ]
    }
    ends = json.loads(part["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION])
    assert ends.keys() == {"fault-default.broken", "fault-default.broken/their-1"}


def test_our_own_routes_are_not_taken_for_foreign_ones() -> None:
    """Otherwise routes would double with each reconcile."""
    theirs = virtual_service("theirs", HOST)
    first = merged(observe(theirs), BANK, BROKEN)
    both = [*first["spec"]["http"], *theirs.content["http"]]
    saved = {object_key(OWNER): SavedFields(BANK.name, first["spec"], {"manager": ""}, forced=True)}
    assert merged(observe(virtual_service("theirs", HOST, http=both), saved=saved), BANK, BROKEN) == first


def test_a_route_without_a_destination_keeps_its_place() -> None:
    """A redirect can't have a fault, and must stay before the faulted routes that follow it."""
    redirect = {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}}
    rest = {"route": [{"destination": {"host": HOST}}]}
    first, second = merged(observe(virtual_service("theirs", HOST, http=[redirect, rest])), BANK, BROKEN)["spec"][
        "http"
    ]
    assert "fault" not in first
    assert first["redirect"] == {"uri": "/new"}
    assert "fault" in second


@pytest.mark.parametrize(
    ("condition", "theirs", "both"),
    [
        ({"ports": (80,)}, {"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/a"}, "port": 80}),
        ({"ports": (80,)}, {"port": 80}, {"port": 80}),
        ({"ports": (80,)}, {"port": 81}, None),
        ({"source_namespace": "lab"}, {"sourceNamespace": "shop"}, None),
        ({"source_labels": {"a": "1"}}, {"sourceLabels": {"b": "2"}}, {"sourceLabels": {"a": "1", "b": "2"}}),
        ({"source_labels": {"a": "1"}}, {"sourceLabels": {"a": "2"}}, None),
        (
            {"match_headers": (HeaderMatch("x", MatchKind.EXACT, "ab"),)},
            {"headers": {"x": {"prefix": "a"}, "y": {"regex": "b+"}}},
            {"headers": {"x": {"exact": "ab"}, "y": {"regex": "b+"}}},
        ),
        ({"match_headers": (HeaderMatch("x"),)}, {"headers": {"x": {}}}, {"headers": {"x": {}}}),
        ({"match_headers": (HeaderMatch("x", MatchKind.EXACT, "b"),)}, {"headers": {"x": {"exact": "a"}}}, None),
    ],
)
def test_conditions_of_both_hold(
    condition: dict[str, Any], theirs: dict[str, Any], both: dict[str, Any] | None
) -> None:
    """A route that no request of the fault can match is left out."""
    route = {"match": [theirs], "route": [{"destination": {"host": HOST}}]}
    last = {"name": "last", "redirect": {"uri": "/"}}
    part = merged(observe(virtual_service("theirs", HOST, http=[route, last])), BANK, fault("broken", **condition))
    conditions = [each.get("match") for each in part["spec"]["http"] if "fault" in each]
    assert conditions == ([] if both is None else [[both]])


def test_our_own_routes_come_first() -> None:
    """If we may route, we need nothing from the owner's routes."""
    slow = entry("bank", traffic=TrafficSettings(timeout=1.0))
    names = [route["name"] for route in merged(observe(virtual_service("theirs", HOST)), slow, BROKEN)["spec"]["http"]]
    assert names == [f"fault-default.broken=egress-{HOST}/fallback"]
    some = fault("some", ports=(80,))
    names = [route["name"] for route in merged(observe(virtual_service("theirs", HOST)), slow, some)["spec"]["http"]]
    assert names == ["fault-default.some", f"egress-{HOST}/fallback"]


def test_with_several_hosts_only_one_gets_the_fault() -> None:
    """By the authority of a request; faults for two hosts coexist."""
    theirs = virtual_service("theirs", HOST)
    theirs.content["hosts"].append("coin.example.com")
    coin = entry("coin", hosts=("coin.example.com",))
    part = merged(observe(theirs), BANK, coin, BROKEN, fault("slow", host="coin.example.com"))
    conditions = {each["name"]: each["match"] for each in part["spec"]["http"]}
    assert conditions == {
        "fault-default.broken": [{"authority": {"regex": r"bank\.example\.com(:\d+)?"}}],
        "fault-default.slow": [{"authority": {"regex": r"coin\.example\.com(:\d+)?"}}],
    }
    ends = json.loads(part["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION])
    assert ends.keys() == conditions.keys()


def test_a_fault_for_one_namespace_in_an_object_that_others_see() -> None:
    """A fault of a namespace without an entry for the host affects no other namespace."""
    part = merged(observe(virtual_service("theirs", HOST)), BANK, fault("mine", namespace="shop"))
    assert [each["match"] for each in part["spec"]["http"]] == [[{"sourceNamespace": "shop"}]]
    elsewhere = fault("mine", namespace="shop", source_namespace="lab")
    assert reasons(projected(cluster(OWNER), observe(virtual_service("theirs", HOST)), BANK, elsewhere)) == {}


@pytest.mark.parametrize(
    ("theirs", "wins"),
    [
        (virtual_service("theirs", HOST, age=1), False),
        (virtual_service("theirs", HOST, age=1, spec={"exportTo": ["."]}), True),
        (virtual_service("theirs", HOST, age=1, namespace="shop", spec={"exportTo": ["default"]}), True),
        (virtual_service("theirs", HOST, age=1, namespace="shop", spec={"exportTo": ["lab"]}), False),
    ],
)
def test_a_younger_one_that_istio_prefers(theirs: Any, wins: bool) -> None:
    """One that is exported less far than the managed one, which is exported to all."""
    ours = virtual_service(f"egress-{HOST}", HOST, managed=True, age=5)
    expected = {"broken": "FOREIGN_OWNER"} if wins else {}
    assert reasons(projected(cluster(), observe(ours, theirs), BANK, BROKEN)) == expected


def test_a_foreign_route_with_one_of_our_names() -> None:
    """Managed routes are removed by name."""
    route = {"name": "fault-default.broken", "route": [{"destination": {"host": HOST}}]}
    observed = observe(virtual_service("theirs", HOST, http=[route]))
    projection = projected(cluster(OWNER), observed, BANK, BROKEN)
    assert reasons(projection) == {"broken": "FOREIGN_OWNER"}
    assert "already has a route with one of our names" in projection.obstacles[BROKEN.name].message


def test_a_foreign_entry_with_our_name_is_rejected_or_adopted() -> None:
    """Once adopted its whole spec is managed, without our label."""
    theirs = found("ServiceEntry", "bank", {"hosts": ["x.example"]}, writer="argo")
    projection = projected(cluster(), observe(theirs), BANK)
    assert reasons(projection) == {"bank": "FOREIGN_OWNER"}
    assert "argo" in projection.obstacles[BANK.name].message
    part = one(projected(cluster("ServiceEntry/default/bank"), observe(theirs), BANK), "ServiceEntry")
    assert part["metadata"]["labels"] == {}
    assert part["spec"]["hosts"] == [HOST]


def test_dynamic_dns_requires_istio_1_31() -> None:
    """Older versions would reject the object or, worse, accept it."""
    wild = entry("wild", hosts=("*.example.com",), resolution=Resolution.DYNAMIC_DNS)
    assert reasons(projected(cluster(), observe(dynamic_dns=False), wild)) == {"wild": "UNSUPPORTED"}
    assert reasons(projected(cluster(), observe(), wild)) == {}


def test_a_missing_namespace_is_waited_for() -> None:
    """With that reason."""
    assert reasons(projected(cluster(), observe(), entry("far", namespace="nowhere"))) == {"far": "NAMESPACE_MISSING"}


def test_conditions_that_istio_cannot_combine() -> None:
    """The fault is rejected with the reason, because it would affect other requests."""
    paths = [StringMatch(MatchKind.REGEX, text) for text in ("/a.*", ".*b")]
    route = {"match": [{"uri": {"regex": paths[0].value}}], "route": [{"destination": {"host": HOST}}]}
    theirs = observe(virtual_service("theirs", HOST, spec={"http": [route]}))
    projection = projected(cluster(OWNER), theirs, BANK, fault("broken", match_uri=paths[1]))
    assert reasons(projection) == {"broken": "FOREIGN_OWNER"}
    assert "two regular expressions" in projection.obstacles[BROKEN.name].message
    assert reasons(projected(cluster(OWNER), theirs, BANK, fault("broken", match_uri=paths[0]))) == {}
