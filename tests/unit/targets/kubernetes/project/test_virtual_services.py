"""Routes and faults of a host that others may have: who owns it, and how ours go in where that is allowed."""

import json
from typing import Any

import pytest

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION
from egress_server.domain.model.resources import HeaderMatch, MatchKind, Resolution, TrafficSettings
from egress_server.targets.kubernetes.last_applied import SavedFields, key_of_object
from egress_server.targets.kubernetes.observe.observation import Observation
from tests.support.meshes import entry, fault
from tests.unit.targets.kubernetes.clusters import cluster, fitted, found, one, reasons, view, virtual_service

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
    """Another host, a wildcard, one for gateways only, one that our namespace does not see."""
    fit = fitted(cluster(), view(theirs), BANK, BROKEN)
    assert reasons(fit) == {}
    assert one(fit, "VirtualService")["metadata"]["name"] == f"egress-{HOST}"


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
    """Then the fault is refused and not the entry, which is held all the same."""
    fit = fitted(cluster(), view(theirs), BANK, BROKEN)
    assert reasons(fit) == {"broken": "FOREIGN_OWNER"}
    assert [obj["kind"] for obj in fit.objects] == ["ServiceEntry"]
    name = f"VirtualService/{theirs.key.namespace}/theirs"
    assert f"egressctl cluster adopt c0 {name}" in fit.obstacles[BROKEN.name].message


def test_traffic_settings_are_refused_with_the_faults() -> None:
    """They are in the same object."""
    slow = entry("bank", traffic=TrafficSettings(timeout=1.0))
    assert reasons(fitted(cluster(), view(virtual_service("theirs", HOST)), slow, BROKEN)) == {
        "bank": "FOREIGN_OWNER",
        "broken": "FOREIGN_OWNER",
    }


def test_ours_stays_where_it_is_older() -> None:
    """Istio heeds the older one."""
    ours = virtual_service(f"egress-{HOST}", HOST, ours=True, age=5)
    assert reasons(fitted(cluster(), view(ours, virtual_service("theirs", HOST, age=1)), BANK, BROKEN)) == {}
    assert reasons(fitted(cluster(), view(ours, virtual_service("theirs", HOST, age=9)), BANK, BROKEN)) == {
        "broken": "FOREIGN_OWNER"
    }


def merged(there: Observation, *resources: Any) -> dict[str, Any]:
    """Our part of the owner's object, where that is adopted."""
    return one(fitted(cluster(OWNER), there, *resources), "VirtualService")


def test_a_fault_goes_onto_each_of_the_owners_routes() -> None:
    """Those that it lets through still go where the owner sends them."""
    canary = {"match": [{"headers": {"x": {"exact": "1"}}}], "route": [{"destination": {"host": "canary.example"}}]}
    rest = {"name": "rest", "route": [{"destination": {"host": HOST}}], "timeout": "3s"}
    part = merged(view(virtual_service("theirs", HOST, http=[canary, rest])), BANK, BROKEN)
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


def test_what_we_put_there_before_is_not_taken_for_theirs() -> None:
    """Or routes would double with every look."""
    theirs = virtual_service("theirs", HOST)
    first = merged(view(theirs), BANK, BROKEN)
    both = [*first["spec"]["http"], *theirs.content["http"]]
    held = {key_of_object(OWNER): SavedFields(BANK.name, first["spec"], {"manager": ""}, forced=True)}
    assert merged(view(virtual_service("theirs", HOST, http=both), held=held), BANK, BROKEN) == first


def test_a_route_that_leads_nowhere_keeps_its_place() -> None:
    """A redirect can't be disturbed, and must not be overtaken by the disturbed routes that follow it."""
    redirect = {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}}
    rest = {"route": [{"destination": {"host": HOST}}]}
    first, second = merged(view(virtual_service("theirs", HOST, http=[redirect, rest])), BANK, BROKEN)["spec"]["http"]
    assert "fault" not in first
    assert first["redirect"] == {"uri": "/new"}
    assert "fault" in second


@pytest.mark.parametrize(
    ("disturbed", "theirs", "both"),
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
    disturbed: dict[str, Any], theirs: dict[str, Any], both: dict[str, Any] | None
) -> None:
    """A route that no request of the fault can take is not repeated."""
    route = {"match": [theirs], "route": [{"destination": {"host": HOST}}]}
    last = {"name": "last", "redirect": {"uri": "/"}}
    part = merged(view(virtual_service("theirs", HOST, http=[route, last])), BANK, fault("broken", **disturbed))
    conditions = [each.get("match") for each in part["spec"]["http"] if "fault" in each]
    assert conditions == ([] if both is None else [[both]])


def test_routes_of_our_own_go_before_theirs_as_they_are() -> None:
    """Who lets us route decides nothing beside us."""
    slow = entry("bank", traffic=TrafficSettings(timeout=1.0))
    names = [route["name"] for route in merged(view(virtual_service("theirs", HOST)), slow, BROKEN)["spec"]["http"]]
    assert names == ["fault-default.broken", f"egress-{HOST}/fallback"]


def test_of_an_owner_of_several_hosts_only_ours_is_disturbed() -> None:
    """By the host that a request is for; faults of two hosts stand side by side."""
    theirs = virtual_service("theirs", HOST)
    theirs.content["hosts"].append("coin.example.com")
    part = merged(view(theirs), BANK, BROKEN, fault("slow", host="coin.example.com"))
    conditions = {each["name"]: each["match"] for each in part["spec"]["http"]}
    assert conditions == {
        "fault-default.broken": [{"authority": {"regex": r"bank\.example\.com(:\d+)?"}}],
        "fault-default.slow": [{"authority": {"regex": r"coin\.example\.com(:\d+)?"}}],
    }
    ends = json.loads(part["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION])
    assert ends.keys() == conditions.keys()


def test_a_route_by_a_name_of_ours_is_in_the_way() -> None:
    """Since ours are taken out by name."""
    route = {"name": "fault-default.broken", "route": [{"destination": {"host": HOST}}]}
    there = view(virtual_service("theirs", HOST, http=[route]))
    fit = fitted(cluster(OWNER), there, BANK, BROKEN)
    assert reasons(fit) == {"broken": "FOREIGN_OWNER"}
    assert "a route by a name of ours" in fit.obstacles[BROKEN.name].message


def test_an_entry_of_our_name_is_refused_or_adopted() -> None:
    """Adopted it is ours wholly, without a label of ours."""
    theirs = found("ServiceEntry", "bank", {"hosts": ["x.example"]}, writer="argo")
    fit = fitted(cluster(), view(theirs), BANK)
    assert reasons(fit) == {"bank": "FOREIGN_OWNER"}
    assert "argo" in fit.obstacles[BANK.name].message
    part = one(fitted(cluster("ServiceEntry/default/bank"), view(theirs), BANK), "ServiceEntry")
    assert part["metadata"]["labels"] == {}
    assert part["spec"]["hosts"] == [HOST]


def test_dynamic_dns_needs_an_istio_that_knows_it() -> None:
    """Older ones would refuse the object, or worse, not."""
    wild = entry("wild", hosts=("*.example.com",), resolution=Resolution.DYNAMIC_DNS)
    assert reasons(fitted(cluster(), view(dynamic_dns=False), wild)) == {"wild": "UNSUPPORTED"}
    assert reasons(fitted(cluster(), view(), wild)) == {}


def test_a_missing_namespace_is_waited_for() -> None:
    """By that reason."""
    assert reasons(fitted(cluster(), view(), entry("far", namespace="nowhere"))) == {"far": "NAMESPACE_MISSING"}
