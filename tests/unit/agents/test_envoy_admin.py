"""What the agent asks its sidecar, and what it makes of the pages. They are as Envoy 1.40 gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from egress_server.agents.counters import Host
from egress_server.agents.envoy_admin import EnvoySidecar
from egress_server.domain.probe import Destination, UpstreamDelta

DESTINATION = Destination("http", "www.example.com", 80)
ENTRY = "outbound|80||www.example.com"


def clusters(counts: Mapping[tuple[str, int], int], empty: Sequence[str] = ()) -> bytes:
    """A page of clusters: streams by cluster and port on one address, and clusters without hosts."""
    statuses: list[dict[str, Any]] = [
        {
            "name": name,
            "host_statuses": [
                {
                    "address": {"socket_address": {"address": "203.0.113.10", "port_value": port}},
                    "stats": [{"name": "rq_total", "value": str(total)}],
                }
            ],
        }
        for (name, port), total in counts.items()
    ]
    return orjson.dumps({"cluster_statuses": [*statuses, *({"name": name} for name in empty)]})


def configuration(types: Mapping[str, str]) -> bytes:
    """A part of the configuration: clusters and their types."""
    return orjson.dumps({"configs": [{"cluster": {"name": name, "type": kind}} for name, kind in types.items()]})


@dataclass
class Admin:
    """Pages in the order in which they are asked for; the last one of clusters repeats."""

    pages: list[bytes]
    warming: bytes = b"{}"
    active: bytes = b"{}"
    routes: bytes = b"{}"
    asked: list[str] = field(default_factory=list)

    async def __call__(self, target: str) -> bytes:
        """Gives the page."""
        self.asked.append(target)
        if "dynamic_warming_clusters" in target:
            return self.warming
        if "dynamic_active_clusters" in target:
            return self.active
        if "dynamic_route_configs" in target:
            return self.routes
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


async def test_only_what_matters_is_asked_for() -> None:
    """The routes and the list of clusters are narrowed to the port, since a mesh may have thousands."""
    admin = Admin([clusters({})])
    await EnvoySidecar(admin).watch(DESTINATION)
    routes, counters = (parse_qs(urlsplit(target).query) for target in admin.asked)
    assert routes == {"resource": ["dynamic_route_configs"], "name_regex": [r"^(.*:)?80$"]}
    api_server = r"outbound\|443\|\|kubernetes\.default\.svc\."
    assert counters == {"format": ["json"], "filter": [rf"^(PassthroughCluster$|{api_server}|outbound\|80\|)"]}


async def test_routes_are_for_http() -> None:
    """Of what is no plain HTTP the sidecar sees no request, so its routes are not asked for."""
    for scheme in ("https", "tls", "tcp"):
        admin = Admin([clusters({})])
        await EnvoySidecar(admin).watch(Destination(scheme, "www.example.com", 80))
        assert len(admin.asked) == 1


async def test_route_to_another_service() -> None:
    """Clusters that the live route leads to are watched as the destination's own are."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": "outbound|8080||other.example.com"}}
    config = {"name": "80", "virtual_hosts": [{"domains": ["www.example.com"], "routes": [route]}]}
    other = ("outbound|8080||other.example.com", 8080)
    admin = Admin(
        [clusters({other: 1}), clusters({other: 2})], routes=orjson.dumps({"configs": [{"route_config": config}]})
    )
    watch = await EnvoySidecar(admin).watch(DESTINATION)
    assert [host.port for host in watch.upstreams()] == [8080]
    assert [u.cluster for u in (await watch.finish()).upstreams] == [other[0]]
    assert r"outbound\|8080\|\|other\.example\.com$" in parse_qs(urlsplit(admin.asked[1]).query)["filter"][0]


@pytest.mark.parametrize(("moves", "left"), [({}, False), ({"rq": 1}, True)])
async def test_has_left(moves: Mapping[str, int], left: bool) -> None:
    """A connection has left once an upstream of its port counts a stream."""
    tcp = Destination("tcp", "db.example.com", 3306)
    name = ("outbound|3306||db.example.com", 3306)
    admin = Admin([clusters({name: 1}), clusters({name: 1 + len(moves)})])
    assert await (await EnvoySidecar(admin).watch(tcp)).has_left() is left


async def test_moved() -> None:
    """What moved is told, and then nothing more is asked."""
    admin = Admin([clusters({(ENTRY, 80): 1}), clusters({(ENTRY, 80): 2})])
    watch = await EnvoySidecar(admin).watch(DESTINATION)
    assert list(watch.upstreams()) == [Host(ENTRY, "203.0.113.10", 80)]
    moves = await watch.finish()
    assert moves.upstreams == (UpstreamDelta(ENTRY, "203.0.113.10:80", rq_total=1),)
    assert moves.hosts == (Host(ENTRY, "203.0.113.10", 80),)
    assert len(admin.asked) == 3


async def test_host_that_is_listed_late() -> None:
    """A host of PassthroughCluster that the list does not have yet is found at the second look."""
    admin = Admin([clusters({}), clusters({}), clusters({("PassthroughCluster", 80): 1})])
    moves = await (await EnvoySidecar(admin).watch(DESTINATION)).finish()
    assert moves.upstreams == (UpstreamDelta("PassthroughCluster", "203.0.113.10:80", rq_total=1),)


@pytest.mark.parametrize(
    ("empty", "types", "told"),
    [
        ((ENTRY,), {ENTRY: "STRICT_DNS"}, [ENTRY]),
        ((ENTRY,), {ENTRY: "EDS"}, [ENTRY]),
        ((ENTRY,), {ENTRY: "ORIGINAL_DST"}, []),
        ((ENTRY,), {}, []),
        (("outbound|80||other.example.com",), {"outbound|80||other.example.com": "EDS"}, []),
        (("PassthroughCluster",), {"PassthroughCluster": "ORIGINAL_DST"}, []),
    ],
)
async def test_clusters_without_address(empty: Sequence[str], types: Mapping[str, str], told: list[str]) -> None:
    """A cluster of the destination that lists no host is told, unless its hosts come with each connection."""
    admin = Admin([clusters({}, empty)], active=configuration(types))
    moves = await (await EnvoySidecar(admin).watch(DESTINATION)).finish()
    assert moves.upstreams == tuple(UpstreamDelta(name, "") for name in told)
    assert moves.hosts == ()


async def test_warming() -> None:
    """Clusters of the destination that warm are told, others not."""
    admin = Admin([clusters({})], warming=configuration({ENTRY: "STRICT_DNS", "outbound|80||x.example.com": "EDS"}))
    moves = await (await EnvoySidecar(admin).watch(DESTINATION)).finish()
    assert moves.warming == (ENTRY,)


async def test_broken_page() -> None:
    """A page that can't be read is a sidecar that does not answer."""
    with pytest.raises(OSError, match="list of clusters can't be read"):
        await EnvoySidecar(Admin([b"<html>"])).watch(DESTINATION)
    watch = await EnvoySidecar(Admin([clusters({})], warming=b'{"configs": [{}]}')).watch(DESTINATION)
    with pytest.raises(OSError, match="configuration can't be read"):
        await watch.finish()
