"""Envoy's page of clusters, and what moved between two of them."""

import orjson
import pytest

from egress_server.agents.sidecar.counters import Counters, Counts, Host, changes_between, parse
from egress_server.domain.probe.evidence import UpstreamDelta

HOST = Host("outbound|80||www.example.com", "203.0.113.10", 80)
# Of Envoy 1.40: a counter of zero is a number or missing, any other is a text.
PAGE = {
    "cluster_statuses": [
        {
            "name": HOST.cluster,
            "host_statuses": [
                {
                    "address": {"socket_address": {"address": "203.0.113.10", "port_value": 80}},
                    "stats": [
                        {"name": "cx_connect_fail", "value": 0},
                        {"name": "cx_total", "value": "7"},
                        {"name": "rq_active", "type": "GAUGE", "value": "9"},
                        {"name": "rq_total"},
                    ],
                },
                {"address": {"socket_address": {"address": "2001:DB8:0::1", "port_value": 443}}, "stats": []},
                {"address": {"pipe": {"path": "/run/x.sock"}}},
                {"address": {"envoy_internal_address": {"server_listener_name": "inner"}}},
            ],
        },
        {"name": "BlackHoleCluster"},
    ]
}


def test_parse() -> None:
    """A page gives each host its counters, addresses in their canonical form, and the clusters that have no host."""
    counters = parse(orjson.dumps(PAGE))
    assert counters.hosts == {
        HOST: Counts(cx_total=7),
        Host(HOST.cluster, "2001:db8::1", 443): Counts(),
        Host(HOST.cluster, "unix:/run/x.sock", 0): Counts(),
        Host(HOST.cluster, "an internal listener", 0): Counts(),
    }


def test_one_host_listed_twice() -> None:
    """A host that a cluster lists twice, as with two weights, counts as one."""
    host = {
        "address": {"socket_address": {"address": "203.0.113.10", "port_value": 80}},
        "stats": [{"name": "rq_total", "value": "2"}],
    }
    page = {"cluster_statuses": [{"name": HOST.cluster, "host_statuses": [host, host]}]}
    assert parse(orjson.dumps(page)).hosts == {HOST: Counts(rq_total=4)}


@pytest.mark.parametrize("page", [b"", b"no JSON", b"[]", b'{"cluster_statuses": [{}]}', b'{"cluster_statuses": 1}'])
def test_no_page(page: bytes) -> None:
    """Anything else is a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse(page)


@pytest.mark.parametrize(
    ("before", "after", "delta"),
    [
        (Counts(1, 0, 1), Counts(2, 0, 2), (1, 0, 1)),
        (None, Counts(1, 1, 0), (1, 1, 0)),
        (Counts(5, 0, 9), Counts(5, 0, 9), None),
        (Counts(5, 0, 9), Counts(1, 0, 1), (1, 0, 1)),
        (Counts(5, 3, 9), Counts(6, 0, 9), (6, 0, 9)),
        (Counts(5, 0, 9), Counts(0, 0, 0), None),
        (Counts(5, 0, 9), None, None),
    ],
)
def test_moved(before: Counts | None, after: Counts | None, delta: tuple[int, int, int] | None) -> None:
    """The difference counts; if any counter fell, the host is a new one that began at zero."""
    deltas = changes_between(
        Counters({} if before is None else {HOST: before}), Counters({} if after is None else {HOST: after})
    )
    want = {} if delta is None else {HOST: UpstreamDelta(HOST.cluster, "203.0.113.10:80", *delta)}
    assert deltas == want
