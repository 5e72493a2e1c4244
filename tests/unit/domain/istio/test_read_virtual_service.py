"""Specs of VirtualServices are read as Istio reads them, whatever they contain."""

from typing import Any

import pytest

from egress_server.domain.istio.manifest import full_name, seconds
from egress_server.domain.istio.read_virtual_service import read_virtual_service
from egress_server.domain.istio.virtual_service import (
    ConnectionMatch,
    HttpRule,
    NamedMatch,
    RequestMatch,
    RouteTarget,
    VirtualServiceSpec,
)
from egress_server.domain.model.resources import Abort, Delay, MatchKind, StringMatch

Json = dict[str, Any]


def rule(**fields: Any) -> HttpRule:
    """The only HTTP rule of a VirtualService in namespace shop."""
    [found] = read_virtual_service({"hosts": ["x.example"], "http": [fields]}, "shop").http
    return found


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("reviews", "reviews.shop.svc.cluster.local"),
        ("Reviews", "reviews.shop.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("X.Example", "x.example"),
        ("*.example", "*.example"),
        ("*", "*"),
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_hosts_are_full_names(host: str, name: str) -> None:
    """In lower case, as Istio compares them."""
    assert read_virtual_service({"hosts": [host]}, "shop").hosts == (name,)


def test_destinations_keep_their_case() -> None:
    """Istio looks for a cluster of exactly that name."""
    target = {"destination": {"host": "X.example", "port": {"number": 8080}, "subset": "v1"}, "weight": 30}
    short = {"destination": {"host": "Web"}}
    assert rule(route=[target, short]).route == (
        RouteTarget("X.example", 8080, "v1", 30),
        RouteTarget("Web.shop.svc.cluster.local"),
    )


def test_conditions_of_a_request() -> None:
    """All of them."""
    match = {
        "uri": {"prefix": "/a"},
        "ignoreUriCase": True,
        "scheme": {"exact": "http"},
        "method": {"regex": "GET|PUT"},
        "authority": {"exact": ""},
        "headers": {"X-One": {"exact": "1"}, "x-two": {}, "x-three": {"regex": "*"}},
        "withoutHeaders": {"X-Four": {"prefix": "4"}},
        "queryParams": {"Q": {"exact": "q"}},
        "port": 8080,
        "sourceLabels": {"app": "web"},
        "sourceNamespace": "shop",
        "gateways": ["mesh"],
    }
    present = StringMatch(MatchKind.PRESENT)
    assert rule(match=[match, {}]).match == (
        RequestMatch(
            uri=StringMatch(MatchKind.PREFIX, "/a"),
            ignore_uri_case=True,
            scheme=StringMatch(MatchKind.EXACT, "http"),
            method=StringMatch(MatchKind.REGEX, "GET|PUT"),
            authority=StringMatch(MatchKind.EXACT, ""),
            headers=(
                NamedMatch("x-one", StringMatch(MatchKind.EXACT, "1")),
                NamedMatch("x-two", present),
                NamedMatch("x-three", present),
            ),
            without_headers=(NamedMatch("x-four", StringMatch(MatchKind.PREFIX, "4")),),
            query_params=(NamedMatch("Q", StringMatch(MatchKind.EXACT, "q")),),
            port=8080,
            source_labels={"app": "web"},
            source_namespace="shop",
            gateways=("mesh",),
        ),
        RequestMatch(),
    )


def test_presence_of_what_every_request_has_is_no_condition() -> None:
    """Such as a URI."""
    assert rule(match=[{"uri": {}, "method": {"regex": "*"}}]).match == (RequestMatch(),)


@pytest.mark.parametrize(
    ("fault", "delay", "abort"),
    [
        ({"delay": {"fixedDelay": "5s", "percentage": {"value": 0.5}}}, Delay(5.0, 0.5), None),
        ({"delay": {"fixedDelay": "1m0.5s", "percent": 20}}, Delay(60.5, 20.0), None),
        ({"delay": {"fixedDelay": "5s", "percentage": {}, "percent": 20}}, None, None),
        ({"delay": {"fixedDelay": "5s"}}, None, None),
        ({"delay": {"exponentialDelay": "5s", "percentage": {"value": 100}}}, None, None),
        ({"abort": {"httpStatus": 503, "percentage": {"value": 100}}}, None, Abort(503, "", 100.0)),
        ({"abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 1}}}, None, Abort(0, "UNAVAILABLE", 1.0)),
        ({"abort": {"httpStatus": 503}}, None, None),
        ({"abort": {"httpStatus": 503, "percent": 100}}, None, None),
        ({"abort": {"httpStatus": 700, "percentage": {"value": 100}}}, None, None),
        ({"abort": {"http2Error": "REFUSED", "percentage": {"value": 100}}}, None, None),
    ],
)
def test_faults(fault: Json, delay: Delay | None, abort: Abort | None) -> None:
    """Only those that Istio injects: without a percentage it never does."""
    found = rule(fault=fault)
    assert (found.delay, found.abort) == (delay, abort)


@pytest.mark.parametrize(
    ("fields", "answers", "status"),
    [
        ({"redirect": {"uri": "/"}}, "redirect", 301),
        ({"redirect": {"redirectCode": 308}}, "redirect", 308),
        ({"directResponse": {"status": 403}}, "directResponse", 403),
        ({}, "", 0),
    ],
)
def test_answers_of_the_sidecar(fields: Json, answers: str, status: int) -> None:
    """With Istio's default status."""
    found = rule(**fields)
    assert (found.answers, found.status) == (answers, status)


def test_delegates_are_named_with_their_namespace() -> None:
    """The root's own by default; a delegate has no hosts."""
    assert rule(delegate={"name": "d"}).delegate == "shop/d"
    assert rule(delegate={"name": "d", "namespace": "lab"}).delegate == "lab/d"
    assert read_virtual_service({"http": [{}]}, "shop").hosts == ()


def test_rules_for_connections() -> None:
    """Of TLS and TCP."""
    match = {
        "sniHosts": ["*.example"],
        "destinationSubnets": ["203.0.113.0/24"],
        "port": 443,
        "sourceLabels": {"app": "web"},
        "sourceNamespace": "lab",
        "gateways": ["gw"],
    }
    spec = read_virtual_service(
        {"tls": [{"match": [match]}], "tcp": [{"route": [{"destination": {"host": "db"}}]}]}, "n"
    )
    assert spec.tls[0].match == (
        ConnectionMatch(("*.example",), ("203.0.113.0/24",), 443, {"app": "web"}, "lab", ("gw",)),
    )
    assert spec.tcp[0].route == (RouteTarget("db.n.svc.cluster.local"),)


@pytest.mark.parametrize(("gateways", "mesh"), [([], True), (["mesh", "gw"], True), (["gw"], False)])
def test_sidecars_use_it_unless_it_names_only_gateways(gateways: list[str], mesh: bool) -> None:
    """An empty list means the sidecars."""
    assert read_virtual_service({"gateways": gateways}, "shop").mesh is mesh


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"hosts": None, "http": None},
        {"hosts": "x", "http": {}, "tls": 7, "tcp": [None], "gateways": [1], "exportTo": {}},
        {"http": ["x", 1]},
    ],
)
def test_what_has_the_wrong_type_is_absent(spec: Json) -> None:
    """And no error."""
    found = read_virtual_service(spec, "shop")
    assert found == VirtualServiceSpec()


def test_a_rule_of_wrong_types_is_an_empty_rule() -> None:
    """And no error."""
    broken: Json = {
        "match": [{"uri": "x", "headers": ["y"], "port": "80", "sourceLabels": {"a": 1}}],
        "route": [{"destination": "x"}, {"destination": {"host": "h", "port": 80}, "weight": True}],
        "fault": {"delay": {"fixedDelay": 5, "percentage": {"value": "1"}}, "abort": "x"},
        "redirect": "x",
        "delegate": {"name": 1},
    }
    assert rule(**broken) == HttpRule(
        match=(RequestMatch(),), route=(RouteTarget("h.shop.svc.cluster.local"),), answers="redirect", status=301
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1h2m3s", 3723.0),
        ("100ms", 0.1),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("5", None),
        ("", None),
        ("s", None),
        ("1s x", None),
    ],
)
def test_durations(text: str, found: float | None) -> None:
    """As Go writes them."""
    assert seconds(text) == (None if found is None else pytest.approx(found))


def test_an_empty_host_stays_empty() -> None:
    """A Service has a name."""
    assert full_name("", "shop") == ""
