"""Which listener and filter chain a connection gets, by Envoy's order."""

from typing import Any

import pytest

from egress_server.domain.live.decision import Question
from egress_server.domain.live.evaluate import evaluate
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome
from tests.support.envoy.resources import (
    HTTP_MATCH,
    chain,
    cluster,
    config_of,
    connection_manager,
    entrance,
    inspector,
    listener,
    tcp_proxy,
)

V4, V6 = "203.0.113.7", "2001:db8::7"
TCP = Destination("tcp", "db.example.com", 3306)
TLS = Destination("tls", "api.example.com", 443)


def to(name: str) -> dict[str, Any]:
    """A chain that leads to the cluster of this name."""
    return chain(tcp_proxy(name))


def leads(*listeners: Any, question: Question) -> str:
    """The cluster that gets the connection; else the cause."""
    names = ("own", "any", "other", "passed")
    config = config_of(*listeners, clusters=[cluster(name, "192.0.2.1:1") for name in names])
    decision = evaluate(config, question)
    return decision.upstreams[0].cluster if decision.upstreams else decision.cause


def dual(port: int, *chains: Any, **more: Any) -> Any:
    """A listener of a port on any address of both families."""
    more["additional_addresses"] = [{"address": {"socket_address": {"address": "::", "port_value": port}}}]
    return listener("0.0.0.0", port, *chains, **more)


@pytest.mark.parametrize(
    ("listeners", "address", "expected"),
    [
        ([listener(V4, 3306, to("own")), listener("0.0.0.0", 3306, to("any"))], V4, "own"),
        ([listener(V4, 3306, to("own")), listener("0.0.0.0", 3306, to("any"))], "203.0.113.8", "any"),
        ([listener(V4, 3307, to("own"))], V4, "PassthroughCluster"),
        ([listener("0.0.0.0", 3306, to("any"))], V6, "PassthroughCluster"),
        ([dual(3306, to("any"))], V6, "any"),
        ([listener("2001:0db8::0007", 3306, to("own"))], V6, "own"),
    ],
)
def test_the_exact_address_comes_before_any_address_of_the_family(
    listeners: list[Any], address: str, expected: str
) -> None:
    """What no listener is for goes through the chains of the entrance."""
    assert leads(*listeners, question=Question(TCP, address)) == expected


def test_the_entrance_chooses_by_destination_port() -> None:
    """As istiod blocks connections to the entrance's own port."""
    chains = (chain(tcp_proxy("BlackHoleCluster"), destination_port=3306), to("any"))
    assert leads(entrance(*chains), question=Question(TCP, V4)) == "BlackHoleCluster"
    assert leads(entrance(*chains), question=Question(Destination("tcp", "a", 3307), V4)) == "any"


def test_without_an_entrance_nothing_is_decided() -> None:
    """A configuration that is not a sidecar's."""
    config = config_of(entrance(use_original_dst=False), entrance(traffic_direction="INBOUND"))
    decision = evaluate(config, Question(TCP, V4))
    assert (decision.outcome, bool(decision.undecided)) == (Outcome.INCONCLUSIVE, True)


def ranged(name: str, text: str, **match: Any) -> dict[str, Any]:
    """A chain for an address range."""
    address, _, length = text.partition("/")
    return chain(tcp_proxy(name), prefix_ranges=[{"address_prefix": address, "prefix_len": int(length)}], **match)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ([ranged("own", "203.0.113.0/24"), ranged("other", "203.0.0.0/16")], "own"),
        ([ranged("own", "203.0.113.0/24"), to("other")], "own"),
        ([ranged("other", "198.51.100.0/24"), to("own")], "own"),
        ([ranged("other", "2001:db8::/32"), to("own")], "own"),
        ([ranged("other", "198.51.100.0/24")], "any"),
    ],
)
def test_the_narrowest_range_gets_it(chains: list[Any], expected: str) -> None:
    """A chain without ranges comes last, before the default chain."""
    assert leads(listener("0.0.0.0", 3306, *chains, default=to("any")), question=Question(TCP, V4)) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["api.example.com"], "own"),
        (["API.Example.com"], "own"),
        (["*.example.com"], "own"),
        (["*.com"], "own"),
        (["*.api.example.com"], "any"),
        (["example.com"], "any"),
    ],
)
def test_server_names(names: list[str], expected: str) -> None:
    """Exact or by wildcard, which takes the place of one label or more."""
    own = chain(tcp_proxy("own"), server_names=names)
    assert (
        leads(listener("0.0.0.0", 443, own, inspect=["tls"], default=to("any")), question=Question(TLS, V4)) == expected
    )


def test_the_most_specific_server_name_wins_in_any_order() -> None:
    """Exact before wildcard, longer wildcards first."""
    chains = [
        chain(tcp_proxy("other"), server_names=["*.com"]),
        chain(tcp_proxy("any"), server_names=["*.example.com"]),
        chain(tcp_proxy("own"), server_names=["api.example.com"]),
    ]
    assert leads(listener("0.0.0.0", 443, *chains, inspect=["tls"]), question=Question(TLS, V4)) == "own"
    assert leads(listener("0.0.0.0", 443, *chains[:2], inspect=["tls"]), question=Question(TLS, V4)) == "any"


def test_a_range_that_was_chosen_is_never_left_again() -> None:
    """Although a chain of a wider range has the server name."""
    chains = [
        ranged("own", "203.0.113.0/24", server_names=["www.example.com"]),
        chain(tcp_proxy("other"), server_names=["api.example.com"]),
    ]
    assert (
        leads(listener("0.0.0.0", 443, *chains, inspect=["tls"], default=to("any")), question=Question(TLS, V4))
        == "any"
    )


@pytest.mark.parametrize(
    ("inspect", "host", "expected"),
    [
        (["tls"], "api.example.com", "own"),
        (["tls"], "api.example.com.", "own"),  # a final dot is not sent
        ([], "api.example.com", "any"),
        (["http"], "api.example.com", "any"),
        (["tls"], V4, "any"),  # no server name for an address
    ],
)
def test_a_server_name_is_only_seen_by_the_tls_inspector(inspect: list[str], host: str, expected: str) -> None:
    """Without it a TLS connection is as any other."""
    own = chain(tcp_proxy("own"), server_names=["api.example.com"])
    written = listener("0.0.0.0", 443, own, inspect=inspect, default=to("any"))
    assert leads(written, question=Question(Destination("tls", host, 443), V4)) == expected


@pytest.mark.parametrize(
    ("protocols", "alpn", "expected"),
    [
        (["h2"], ("h2", "http/1.1"), "own"),
        (["http/1.1"], ("h2", "http/1.1"), "own"),
        (["h2"], ("http/1.1",), "any"),
        (["h2"], (), "any"),
    ],
)
def test_application_protocols_in_the_order_that_the_client_offers(
    protocols: list[str], alpn: tuple[str, ...], expected: str
) -> None:
    """Of a TLS client: ALPN."""
    own = chain(tcp_proxy("own"), transport_protocol="tls", application_protocols=protocols)
    written = listener("0.0.0.0", 443, own, inspect=["tls"], default=to("any"))
    assert leads(written, question=Question(TLS, V4, alpn=alpn)) == expected


@pytest.mark.parametrize(
    ("destination", "speaks_first", "expected"),
    [
        (Destination("http", "a.example.com", 80), False, "NO_ROUTE"),
        (Destination("https", "a.example.com", 80), False, "any"),
        (Destination("tcp", "a.example.com", 80), True, "any"),
        (Destination("tcp", "a.example.com", 80), False, "WAITS_FOR_CLIENT"),
    ],
)
def test_an_http_inspector_tells_requests_from_the_rest(
    destination: Destination, speaks_first: bool, expected: str
) -> None:
    """And never stops to wait for a client that sends nothing."""
    manager = connection_manager({"name": "inline"})
    written = listener("0.0.0.0", 80, chain(manager, **HTTP_MATCH), inspect=["http"], default=to("any"))
    assert leads(written, question=Question(destination, V4, speaks_first=speaks_first)) == expected


@pytest.mark.parametrize(
    ("timeout", "go_on", "expected"),
    [("0s", True, "WAITS_FOR_CLIENT"), ("5s", True, "any"), ("5s", False, "WAITS_FOR_CLIENT")],
)
def test_a_silent_client_gets_on_after_a_timeout_only(timeout: str, go_on: bool, expected: str) -> None:
    """If the listener goes on then."""
    limits = {"listener_filters_timeout": timeout, "continue_on_listener_filters_timeout": go_on}
    written = listener("0.0.0.0", 3306, inspect=["tls"], default=to("any"), **limits)
    assert leads(written, question=Question(TCP, V4)) == expected


@pytest.mark.parametrize(
    ("disabled", "waits"),
    [
        ({"destination_port_range": {"start": 3306, "end": 3307}}, False),
        ({"destination_port_range": {"start": 3307, "end": 3308}}, True),
        ({"not_match": {"destination_port_range": {"start": 3306, "end": 3307}}}, True),
        ({"or_match": {"rules": [{"any_match": False}, {"any_match": True}]}}, False),
        ({"and_match": {"rules": [{"any_match": False}, {"any_match": True}]}}, True),
    ],
)
def test_an_inspector_may_be_disabled_by_port(disabled: dict[str, Any], waits: bool) -> None:
    """As istiod does for ports that are excluded from it."""
    written = listener("0.0.0.0", 3306, default=to("any"), listener_filters_timeout="0s")
    written["listener_filters"] = [{**inspector("tls"), "filter_disabled": disabled}]
    assert leads(written, question=Question(TCP, V4)) == ("WAITS_FOR_CLIENT" if waits else "any")


def test_the_inspectors_of_the_entrance_run_for_every_connection() -> None:
    """In the mode ALLOW_ANY_DYNAMIC_DNS a client of a server that speaks first waits forever."""
    front = entrance(to("passed"), listener_filters=[inspector("http")])
    assert leads(front, listener(V4, 3306, to("own")), question=Question(TCP, V4)) == "WAITS_FOR_CLIENT"


@pytest.mark.parametrize(
    "written",
    [
        listener("0.0.0.0", 3306, to("own"), listener_filters=[{"name": "envoy.filters.listener.new"}]),
        listener("0.0.0.0", 3306, to("own"), filter_chain_matcher={}),
        listener("0.0.0.0", 3306, chain(tcp_proxy("own"), source_ports=[1]), default=to("any")),
        listener(
            *("0.0.0.0", 3306, to("own")),
            listener_filters=[{**inspector("tls"), "filter_disabled": {"new": {}}}],
        ),
    ],
)
def test_what_is_not_known_is_undecided(written: dict[str, Any]) -> None:
    """Listener filters, matchers and source addresses."""
    decision = evaluate(config_of(written), Question(TCP, V4))
    assert (decision.cause, len(decision.undecided)) == ("UNDECIDED", 1)


def test_no_chain_closes_the_connection() -> None:
    """If there is no default chain either."""
    written = listener("0.0.0.0", 443, chain(tcp_proxy("own"), server_names=["www.example.com"]), inspect=["tls"])
    assert leads(written, question=Question(TLS, V4)) == "NO_FILTER_CHAIN"
