"""What happens to a connection at its cluster, and what other network filters do."""

from typing import Any

import pytest

from egress_server.domain.live.config import SidecarConfig
from egress_server.domain.live.decision import LiveUpstream, Question
from egress_server.domain.live.evaluate import evaluate
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from tests.support.envoy.resources import (
    assignment,
    chain,
    cluster,
    config_of,
    connection_manager,
    entrance,
    listener,
    network_filter,
    tcp_proxy,
)

NAME = "outbound|3306|v1|db.example.com"
TO = Question(Destination("tcp", "db.example.com", 3306), "203.0.113.7")


def at(written: dict[str, Any] | None, **more: Any) -> LiveUpstream:
    """What happens to a connection that is sent to this cluster."""
    only = listener("0.0.0.0", 3306, chain(tcp_proxy(written["name"] if written else NAME)))
    return evaluate(config_of(only, clusters=[written] if written else [], **more), TO).upstreams[0]


@pytest.mark.parametrize(
    ("written", "outcome", "cause", "endpoints"),
    [
        (
            cluster(NAME, "192.0.2.1:1", "[2001:db8::1]:2"),
            Outcome.REGISTERED,
            "SENT",
            ("192.0.2.1:1", "[2001:db8::1]:2"),
        ),
        (cluster(NAME), Outcome.REGISTERED, "SENT", None),
        (
            cluster(NAME, original_dst_lb_config={"upstream_port_override": 443}),
            *(Outcome.REGISTERED, "SENT", ("203.0.113.7:443",)),
        ),
        (cluster(NAME, type="EDS"), Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", ()),
        (
            cluster(NAME, type=None, cluster_type={"name": "envoy.clusters.dynamic_forward_proxy"}),
            *(Outcome.REGISTERED, "SENT", None),
        ),
        (cluster("PassthroughCluster"), Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", None),
        (cluster("AllowAnyDynamicDNSCluster"), Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", None),
        (cluster("BlackHoleCluster", type="STATIC"), Outcome.BLOCKED, "BLACK_HOLE", ()),
        (None, Outcome.BLOCKED, "UNKNOWN_CLUSTER", None),
    ],
)
def test_clusters(
    written: dict[str, Any] | None, outcome: Outcome, cause: str, endpoints: tuple[str, ...] | None
) -> None:
    """By type, endpoints and name."""
    found = at(written)
    assert (found.outcome, found.cause, found.endpoints) == (outcome, cause, endpoints)


def test_the_service_is_in_the_name() -> None:
    """Istio's name of an outbound cluster."""
    found = at(cluster(NAME, "192.0.2.1:1"))
    assert (found.host, found.port, found.subset) == ("db.example.com", 3306, "v1")


def test_endpoints_are_those_of_eds() -> None:
    """By the name of the cluster, or its service name."""
    own = {"eds_cluster_config": {"service_name": "db"}}
    assert at(cluster(NAME, type="EDS", **own), endpoints=[assignment("db", "192.0.2.1:1")]).endpoints == (
        "192.0.2.1:1",
    )
    assert at(cluster(NAME, type="EDS"), endpoints=[assignment(NAME, "192.0.2.1:1")]).endpoints == ("192.0.2.1:1",)


@pytest.mark.parametrize(
    ("common", "outcome"),
    [
        ({"healthy_panic_threshold": {}}, Outcome.UNREACHABLE),
        ({"healthy_panic_threshold": {"value": 50}}, Outcome.REGISTERED),
        ({}, Outcome.REGISTERED),
    ],
)
def test_unhealthy_endpoints_are_used_in_panic_only(common: dict[str, Any], outcome: Outcome) -> None:
    """Which Istio switches off."""
    load = assignment(NAME, "192.0.2.1:1")
    load["endpoints"][0]["lb_endpoints"][0]["health_status"] = "UNHEALTHY"
    assert at(cluster(NAME, type="EDS", common_lb_config=common), endpoints=[load]).outcome is outcome


TLS = {"name": "envoy.transport_sockets.tls", "typed_config": {"sni": "db.example.com"}}
PLAIN = {"name": "envoy.transport_sockets.raw_buffer"}


@pytest.mark.parametrize(
    ("more", "originates"),
    [
        ({"transport_socket": TLS}, True),
        ({"transport_socket": PLAIN}, False),
        ({"transport_socket_matches": [{"match": {"tlsMode": "istio"}, "transport_socket": TLS}]}, False),
        ({"transport_socket_matches": [{"name": "any", "match": {}, "transport_socket": TLS}]}, True),
        ({}, False),
    ],
)
def test_tls_origination(more: dict[str, Any], originates: bool) -> None:
    """For all endpoints, or for those that match nothing else."""
    found = at(cluster(NAME, "192.0.2.1:1", **more))
    assert (found.originates_tls, found.sni) == (originates, "db.example.com" if originates else "")


def test_http2_to_the_upstream() -> None:
    """If the cluster always speaks it."""
    options: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
    key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    assert at(cluster(NAME, "192.0.2.1:1", typed_extension_protocol_options={key: options})).http2


def test_a_warming_cluster_is_not_there_yet() -> None:
    """Nothing is said about its connections."""
    config = config_of(entrance(chain(tcp_proxy(NAME))))
    assert evaluate(config.merge(SidecarConfig(warming={NAME: cluster(NAME)})), TO).cause == "CLUSTER_WARMING"


def test_weighted_tcp_routes() -> None:
    """Of a VirtualService, whose name is in the filter chain."""
    weighted = {"clusters": [{"name": NAME, "weight": 1}, {"name": "gone", "weight": 1}]}
    split = chain(network_filter("tcp_proxy", "TcpProxy", {"weighted_clusters": weighted}))
    config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/v"
    split["metadata"] = {"filter_metadata": {"istio": {"config": config}}}
    decision = evaluate(config_of(entrance(split), clusters=[cluster(NAME)]), TO)
    assert (decision.outcome, decision.also, decision.owner) == (Outcome.REGISTERED, (Outcome.BLOCKED,), "shop/v")


@pytest.mark.parametrize(
    ("filters", "outcome", "cause"),
    [
        ([network_filter("direct_response", "Config", {})], Outcome.BLOCKED, "DIRECT_RESPONSE"),
        ([], Outcome.BLOCKED, "NO_FILTER_CHAIN"),
        ([network_filter("set_filter_state", "Config", {}), tcp_proxy(NAME)], Outcome.REGISTERED, "SENT"),
        ([network_filter("rbac", "RBAC", {}), tcp_proxy(NAME)], Outcome.INCONCLUSIVE, "UNDECIDED"),
        (
            [
                network_filter(
                    *("set_filter_state", "Config"), {"on_new_connection": [{"object_key": "envoy.tcp_proxy.cluster"}]}
                ),
                tcp_proxy(NAME),
            ],
            *(Outcome.INCONCLUSIVE, "UNDECIDED"),
        ),
    ],
)
def test_network_filters(filters: list[dict[str, Any]], outcome: Outcome, cause: str) -> None:
    """Those that don't decide, the terminal ones, and any other."""
    decision = evaluate(config_of(entrance(chain(*filters)), clusters=[cluster(NAME)]), TO)
    assert (decision.outcome, decision.cause) == (outcome, cause)


@pytest.mark.parametrize(
    ("question", "cause"),
    [
        (Question(Destination("https", "a", 80), "203.0.113.7"), "NOT_HTTP"),
        (Question(Destination("tcp", "a", 80), "203.0.113.7", speaks_first=True), "NOT_HTTP"),
        (Question(Destination("tcp", "a", 80), "203.0.113.7"), "WAITS_FOR_CLIENT"),
    ],
)
def test_what_is_not_http_fails_at_a_connection_manager(question: Question, cause: str) -> None:
    """That no inspector protects."""
    assert evaluate(config_of(entrance(chain(connection_manager({"name": "x"})))), question).cause == cause
