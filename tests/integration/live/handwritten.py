"""Configurations with every kind of match that istiod may write, and some that only EnvoyFilters do."""

from typing import Any

from egress_server.domain.live.config import SidecarConfig
from tests.support.envoy.resources import (
    HTTP_MATCH,
    chain,
    cluster,
    config_of,
    connection_manager,
    entrance,
    fault,
    http_listener,
    listener,
    percent,
    route,
    route_table,
    tcp_proxy,
)

Json = dict[str, Any]
A, B, C, GONE, EMPTY = (f"outbound|80||{name}.example.com" for name in ("a", "b", "c", "gone", "empty"))
CLUSTERS = [*(cluster(name, "192.0.2.1:80") for name in (A, B, C)), cluster(EMPTY, type="STATIC")]


def hints(paths: list[str], headers: list[dict[str, str]]) -> Json:
    """What to ask, for `questions`."""
    return {"metadata": {"filter_metadata": {"test": {"paths": paths, "headers": headers}}}}


def _header(**matcher: Any) -> Json:
    return {"prefix": "/", "headers": [{"name": "x", **matcher}]}


_MATCHES: dict[str, Json] = {
    "exact": _header(string_match={"exact": "1"}),
    "fold": _header(string_match={"exact": "aB", "ignore_case": True}),
    "prefix": _header(string_match={"prefix": "12"}),
    "suffix": _header(string_match={"suffix": "45"}),
    "contains": _header(string_match={"contains": "34"}),
    "regex": _header(string_match={"safe_regex": {"regex": r"^b[0-9]{1,2}$"}}),
    "inverted": _header(string_match={"exact": "1"}, invert_match=True),
    "inverted-empty": _header(string_match={"exact": "1"}, invert_match=True, treat_missing_header_as_empty=True),
    "empty": _header(string_match={"exact": ""}, treat_missing_header_as_empty=True),
    "present": _header(present_match=True),
    "absent": _header(present_match=False),
    "not-present": _header(present_match=True, invert_match=True),
    "present-empty": _header(present_match=True, treat_missing_header_as_empty=True),
    "range": _header(range_match={"start": "-3", "end": "10"}),
    "not-range": _header(range_match={"start": "-3", "end": "10"}, invert_match=True),
    "name-only": _header(),
    "path": {"path": "/a"},
    "path-fold": {"path": "/A", "case_sensitive": False},
    "segment": {"path_separated_prefix": "/a/b"},
    "path-regex": {"safe_regex": {"regex": r"/(a|x)/[^/]+"}},
    "query": {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {"exact": "1"}}]},
    "query-present": {"prefix": "/", "query_parameters": [{"name": "q", "present_match": True}]},
    "query-space": {"prefix": "/", "query_parameters": [{"name": "q", "string_match": {"exact": "a b"}}]},
    "grpc": {"prefix": "/", "grpc": {}},
    "method": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]},
    "authority": {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"prefix": "auth"}}]},
    "scheme": {"prefix": "/", "headers": [{"name": ":scheme", "string_match": {"exact": "http"}}]},
    "connect": {"connect_matcher": {}},
}
_VALUES = ["1", "ab", "12345", "b12", "b123", "", "-3", "10", "9", "x", "2"]


def _matching() -> SidecarConfig:
    """One host for each match: its route leads to A, everything else to B."""
    hosts = {f"{name}.example.com": [route(A, match=match), route(B)] for name, match in _MATCHES.items()}
    headers = [{}, *({"x": value} for value in _VALUES), {"content-type": "application/grpc"}]
    paths = ["/", "/a", "/A", "/a/b", "/a/bc", "/a/b/c", "/x/1", "/a?q=1", "/?q", "/?p=1&q=2&q=1", "/?q=a%20b"]
    front = {**entrance(), **hints(paths, headers)}
    return config_of(front, http_listener(80), routes=[route_table("80", hosts)], clusters=CLUSTERS)


def _hosts() -> SidecarConfig:
    """Domains of all kinds, with and without the port; routes of all kinds."""
    weighted = {"clusters": [{"name": name, "weight": 1} for name in (A, GONE, EMPTY)]}
    abort = fault(abort={"http_status": 418, "percentage": percent(50)})
    named = {
        "exact.example.com": [route(A)],
        "*.example.com": [route(B)],
        "*-b.example.com": [route(C)],
        "prefix.*": [route(A, **abort)],
        "ported.example.com:80": [route(C)],
        "*.org": [route(GONE)],
        "weighted.org": [route(route={"weighted_clusters": weighted})],
        "empty.org": [route(EMPTY)],
        "none.org": [route(A, match={"path": "/only"})],
        "redirect.org": [route(redirect={"host_redirect": "b.org", "path_redirect": "/c", "response_code": "FOUND"})],
        "direct.org": [route(direct_response={"status": 410})],
        "split.org": [route(A, match={"prefix": "/", "runtime_fraction": {"default_value": percent(50)}}), route(B)],
    }
    front = {**entrance(chain(tcp_proxy("BlackHoleCluster"))), **hints(["/", "/only", "/../only", "//only"], [{}])}
    table = {**route_table("80", named), "ignore_port_in_host_matching": False}
    listeners = [front, http_listener(80, default="BlackHoleCluster", normalize_path=True, merge_slashes=True)]
    return config_of(*listeners, routes=[table], clusters=CLUSTERS)


def _chains() -> SidecarConfig:
    """Filter chains that are narrowed down by all criteria."""
    wide = [{"address_prefix": "203.0.0.0", "prefix_len": 16}]
    narrow = [{"address_prefix": "203.0.113.0", "prefix_len": 24}, {"address_prefix": "2001:db8::", "prefix_len": 32}]
    tls = listener(
        *("0.0.0.0", 443),
        chain(tcp_proxy(A), name="0", server_names=["www.example.com"]),
        chain(tcp_proxy(B), name="1", server_names=["*.example.com"]),
        chain(tcp_proxy(C), name="2", server_names=["*.com"], application_protocols=["h2"]),
        chain(tcp_proxy(C), name="3", server_names=["only-narrow.org"], prefix_ranges=narrow),
        chain(tcp_proxy(A), name="4", prefix_ranges=wide),
        inspect=["tls"],
        default=chain(tcp_proxy("PassthroughCluster")),
        additional_addresses=[{"address": {"socket_address": {"address": "::", "port_value": 443}}}],
    )
    both = listener(
        *("0.0.0.0", 8080),
        chain(connection_manager(route_table("inline", {"*": [route(B)]})), name="0", **HTTP_MATCH),
        chain(tcp_proxy(A), name="1", transport_protocol="tls"),
        inspect=["tls", "http"],
        default=chain(tcp_proxy(C)),
    )
    plain = listener("0.0.0.0", 3306, chain(tcp_proxy(A), name="0", prefix_ranges=wide), chain(tcp_proxy(B), name="1"))
    manager = listener("203.0.113.9", 9000, chain(connection_manager(route_table("m", {"x.org": [route(A)]}))))
    own = chain(tcp_proxy("BlackHoleCluster"), name="own", destination_port=15001)
    front = entrance(own, chain(tcp_proxy("PassthroughCluster"), name="rest"))
    return config_of(front, tls, both, plain, manager, clusters=CLUSTERS)


HANDWRITTEN = {"matches": _matching(), "hosts": _hosts(), "chains": _chains()}
