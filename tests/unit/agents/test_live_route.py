"""Which live route a request takes, of pages as Envoy 1.40 gives them."""

from typing import Any

import orjson
import pytest

from egress_server.agents.sidecar.live_config import LiveRoute, live_route, tls_clusters
from egress_server.domain.probe.evidence import Destination, LiveFault, TlsCluster

HOST = "www.aliyun.com"
HTTP = Destination("http", HOST, 80, "/a?b")
OWNER = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/egress-www.aliyun.com"


def route(name: str, *, fault: dict[str, Any] | None = None, cluster: str = "", **match: Any) -> dict[str, Any]:
    """A route to a cluster that is named after it."""
    built: dict[str, Any] = {
        "name": name,
        "match": {"prefix": "/", **match},
        "metadata": {"filter_metadata": {"istio": {"config": OWNER}}},
        "route": {"cluster": cluster or f"outbound|80||{name}"},
    }
    if fault:
        built["typed_per_filter_config"] = {"envoy.filters.http.fault": {"@type": "x", **fault}}
    return built


def page(*routes: dict[str, Any], domains: tuple[str, ...] = (HOST,), **more: list[dict[str, Any]]) -> bytes:
    """A page with these routes of one virtual host; `more` are routes of other domains."""
    hosts = [{"domains": list(domains), "routes": list(routes)}]
    hosts += [{"domains": [domain], "routes": theirs} for domain, theirs in more.items()]
    return orjson.dumps({"configs": [{"route_config": {"name": "80", "virtual_hosts": hosts}}]})


def taken(content: bytes, destination: Destination = HTTP, **headers: str) -> list[str]:
    """Names of the routes that may be taken."""
    found = live_route(content, destination, {name.replace("_", "-"): value for name, value in headers.items()})
    return [cluster.rpartition("|")[2] for cluster in found.clusters]


def test_fault() -> None:
    """A fault is reported with its route, its VirtualService, and what it does."""
    delay = {"fixed_delay": "2.500s", "percentage": {"numerator": 1000000, "denominator": "MILLION"}}
    faulted = route("fault-shop-f", fault={"delay": delay, "abort": {"http_status": 503}}, cluster="outbound|80||x")
    assert live_route(page(faulted), HTTP, {}) == LiveRoute(
        faults=(LiveFault("fault-shop-f", f"shop/egress-{HOST}", 2.5, 503),),
        clusters=("outbound|80||x",),
        owners=(f"shop/egress-{HOST}",),
        found=True,
    )
    grpc = live_route(page(route("g", fault={"abort": {"grpc_status": 0}})), HTTP, {}).faults[0]
    assert (grpc.delay, grpc.http_status, grpc.grpc_status) == (0.0, 0, 0)


def test_no_routes() -> None:
    """Without a route for the host there is neither a fault nor a cluster; one that passes on leads to no service."""
    assert live_route(b"{}", HTTP, {}) == LiveRoute()
    assert live_route(page(route("x"), domains=("other.example.com",)), HTTP, {}) == LiveRoute()
    passed_on = live_route(page(route("x", cluster="PassthroughCluster"), domains=("*",)), HTTP, {})
    assert passed_on == LiveRoute(owners=(f"shop/egress-{HOST}",), found=True)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ({"redirect": {"path_redirect": "/x"}}, 301),
        ({"redirect": {"response_code": "TEMPORARY_REDIRECT"}}, 307),
        ({"direct_response": {"status": 418}}, 418),
    ],
)
def test_direct_answers(action: dict[str, Any], status: int) -> None:
    """A route of a VirtualService may answer itself; Istio's own 502 for unregistered hosts is not such a route."""
    answering = {key: value for key, value in route("x").items() if key != "route"} | action
    found = live_route(page(answering), HTTP, {})
    assert (found.answers, found.owners, found.clusters) == ((status,), (f"shop/egress-{HOST}",), ())
    del answering["metadata"]
    assert live_route(page(answering, domains=("*",)), HTTP, {}) == LiveRoute(found=True)


def test_no_route_for_the_request() -> None:
    """If no route of a VirtualService matches, the sidecar answers 404."""
    found = live_route(page({**route("x"), "match": {"path": "/other"}}), HTTP, {})
    assert found == LiveRoute(owners=(f"shop/egress-{HOST}",), answers=(404,), found=True)


def test_tls_clusters() -> None:
    """A cluster to which the sidecar starts TLS, and the DestinationRule that sets it."""
    rule = {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/default/destination-rule/all"}}
    tls = {"name": "outbound|443||x", "transport_socket": {"name": "envoy.transport_sockets.tls"}}
    clusters = [
        {**tls, "metadata": {"filter_metadata": rule}},
        {**tls, "name": "outbound|443||y"},
        {"name": "outbound|443||z", "metadata": {"filter_metadata": rule}},
    ]
    content = orjson.dumps({"configs": [{"cluster": cluster} for cluster in clusters]})
    assert tls_clusters(content) == (TlsCluster("outbound|443||x", "default/all"), TlsCluster("outbound|443||y"))
    with pytest.raises(ValueError, match="not a list of clusters"):
        tls_clusters(b'{"configs": [{}]}')


def test_weighted() -> None:
    """All clusters that a route may choose among are reported."""
    both = {"clusters": [{"name": "outbound|80||a", "weight": 1}, {"name": "outbound|81||b", "weight": 2}]}
    split = {"match": {"prefix": "/"}, "route": {"weighted_clusters": both}}
    assert live_route(page(split), HTTP, {}).clusters == ("outbound|80||a", "outbound|81||b")


def test_order() -> None:
    """The first route that fits is the one, and those behind it are not looked at."""
    content = page(route("first", headers=[{"name": "x-a", "present_match": True}]), route("second"), route("third"))
    assert taken(content) == ["second"]
    assert taken(content, x_a="") == ["first"]


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"present_match": True}, True),
        ({"present_match": False}, False),
        ({}, True),
        ({"string_match": {"exact": "value"}}, True),
        ({"string_match": {"exact": "other"}}, False),
        ({"string_match": {"prefix": "val"}}, True),
        ({"string_match": {"prefix": "alue"}}, False),
        ({"string_match": {"safe_regex": {"regex": "v.*"}}}, None),
        ({"string_match": {"exact": "VALUE", "ignore_case": True}}, None),
        ({"string_match": {"exact": "value"}, "invert_match": True}, None),
        ({"range_match": {"start": "1"}}, None),
    ],
)
def test_headers(condition: dict[str, Any], fits: bool | None) -> None:
    """Headers are compared; if only Envoy can decide, the route may be taken and so may the next."""
    content = page(route("it", headers=[{"name": "x-a", **condition}]), route("rest"))
    names = {True: ["it"], False: ["rest"], None: ["it", "rest"]}[fits]
    assert taken(content, x_a="value") == names


@pytest.mark.parametrize(
    ("match", "names"),
    [
        ({"prefix": "/a"}, ["it"]),
        ({"prefix": "/b"}, ["rest"]),
        ({"prefix": "/A"}, ["rest"]),
        ({"prefix": "/A", "case_sensitive": False}, ["it"]),
        ({"prefix": "/", "runtime_fraction": {}}, ["it", "rest"]),
    ],
)
def test_paths(match: dict[str, Any], names: list[str]) -> None:
    """The path is compared without its query."""
    assert taken(page(route("it", **match), route("rest"))) == names


@pytest.mark.parametrize("match", [{"path": "/a"}, {"path_separated_prefix": "/a"}, {"safe_regex": {"regex": "/x"}}])
def test_other_paths(match: dict[str, Any]) -> None:
    """Whole paths and their beginnings are compared as well; an expression may fit."""
    it = {**route("it"), "match": match}
    assert taken(page(it, route("rest"))) == (["it", "rest"] if "safe_regex" in match else ["it"])
    other = Destination("http", HOST, 80, "/ab")
    assert taken(page(it, route("rest")), other) == (["it", "rest"] if "safe_regex" in match else ["rest"])


@pytest.mark.parametrize(
    ("domains", "closest"),
    [
        ((HOST, "*.aliyun.com", "*"), HOST),
        ((f"{HOST}:80", "*"), f"{HOST}:80"),
        (("*.com", "*.aliyun.com"), "*.aliyun.com"),
        (("www.*", "*"), "www.*"),
        (("WWW.ALIYUN.COM", "*"), "WWW.ALIYUN.COM"),
        (("*", "other.example.com"), "*"),
    ],
)
def test_domains(domains: tuple[str, ...], closest: str) -> None:
    """The closest domain counts: exact, then the longest suffix, then the longest prefix, then any."""
    content = page(**{domain: [route(domain)] for domain in reversed(domains)}, domains=("unused.example.com",))
    assert taken(content) == [closest]


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"configs": [{}]}', b'{"configs": [{"route_config": []}]}'])
def test_broken_page(content: bytes) -> None:
    """Anything but a page of routes is an error, not a page without faults."""
    with pytest.raises(ValueError, match=r"."):
        live_route(content, HTTP, {})
