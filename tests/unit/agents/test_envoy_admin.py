"""What the agent asks its sidecar, and what it makes of the pages. They are as Envoy 1.40 gives them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from egress_server.agents.sidecar.counters import Host
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Destination, UpstreamDelta
from tests.unit.agents.listeners import HTTP, TCP, chain, listening

DESTINATION = Destination("http", "www.example.com", 80)
ENTRY = "outbound|80||www.example.com"
ADDRESS = "203.0.113.10"


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


def configured(*routes: Mapping[str, object]) -> bytes:
    """The routes of the destination's host."""
    config = {"name": "80", "virtual_hosts": [{"domains": ["www.example.com"], "routes": routes}]}
    return orjson.dumps({"configs": [{"route_config": config}]})


def asked_for(target: str, parameter: str) -> re.Pattern[str]:
    """The regular expression that a page is narrowed by."""
    return re.compile(parse_qs(urlsplit(target).query)[parameter][0])


def narrowed(page: bytes, target: str) -> bytes:
    """The clusters whose whole name fits, as Envoy does it; a page without names as it is."""
    configs = orjson.loads(page).get("configs", ())
    if not all("cluster" in config for config in configs):
        return page
    names = asked_for(target, "name_regex")
    return orjson.dumps({"configs": [config for config in configs if names.fullmatch(config["cluster"]["name"])]})


@dataclass
class Admin:
    """Pages in the order in which they are asked for; the last one of clusters repeats."""

    pages: list[bytes]
    warming: bytes = b"{}"
    active: bytes = b"{}"
    routes: bytes = b"{}"
    listeners: bytes = listening("0.0.0.0_80", [chain(HTTP)])
    asked: list[str] = field(default_factory=list)

    async def __call__(self, target: str) -> bytes:
        """Gives the page."""
        self.asked.append(target)
        if "dynamic_warming_clusters" in target:
            return narrowed(self.warming, target)
        if "dynamic_active_clusters" in target:
            return narrowed(self.active, target)
        if "dynamic_listeners" in target:
            return self.listeners
        if "dynamic_route_configs" in target:
            return self.routes
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


ALWAYS = {"PassthroughCluster", "outbound|443||kubernetes.default.svc.cluster.local"}
OWN = {ENTRY, "outbound|80|v1|www.example.com", "outbound|80||*.example.com", "outbound|80||*"}
OF_THE_PORT = {"outbound|80||other.example.com", "outbound|80||www.example.com.example"}
LED_TO = "outbound|8080||led.example.com"
NEVER = {
    "BlackHoleCluster",
    "inbound|80||",
    "xds-grpc",
    "outbound|443||www.example.com",
    "outbound|8080||www.example.com",
}


@pytest.mark.parametrize(
    ("routes", "watched"),
    [
        (b"{}", OWN | OF_THE_PORT),
        (configured({"match": {"prefix": "/"}, "direct_response": {"status": 502}}), OWN),
        (configured({"match": {"prefix": "/"}, "route": {"cluster": LED_TO}}), OWN | {LED_TO}),
    ],
)
async def test_only_what_matters_is_asked_for(routes: bytes, watched: set[str]) -> None:
    """A mesh may have thousands of services, so the list of clusters is narrowed to those of the host and of its route;
    if no route decides, to those of the port."""
    admin = Admin([clusters({})], routes=routes)
    await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)
    names = asked_for(admin.asked[2], "filter")
    every = ALWAYS | OWN | OF_THE_PORT | {LED_TO} | NEVER
    assert {name for name in every if names.search(name)} == ALWAYS | watched


async def test_routes_of_the_port() -> None:
    """Istio calls routes by their port, with or without the service's name."""
    admin = Admin([clusters({})])
    await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)
    assert parse_qs(urlsplit(admin.asked[1]).query)["resource"] == ["dynamic_route_configs"]
    names = asked_for(admin.asked[1], "name_regex")
    assert [name for name in ("80", "web.shop.svc:80", "8080", "180") if names.fullmatch(name)] == [
        "80",
        "web.shop.svc:80",
    ]


async def test_routes_are_for_where_requests_are_seen() -> None:
    """If a TCP service has the address dialled, the port's routes don't count, and all of the port is watched."""
    routes = configured({"match": {"prefix": "/"}, "route": {"cluster": LED_TO}})
    admin = Admin([clusters({})], routes=routes, listeners=listening(f"{ADDRESS}_80", [chain(TCP)]))
    watch = await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)
    assert not watch.route.found
    assert asked_for(admin.asked[1], "filter").search("outbound|80||other.example.com")


async def test_routes_are_for_http() -> None:
    """The sidecar sees no requests unless they are plain HTTP, so its routes are not read."""
    for scheme in ("https", "tls", "tcp"):
        admin = Admin([clusters({})])
        await EnvoySidecar(admin).watch(Destination(scheme, "www.example.com", 80), ADDRESS)
        assert len(admin.asked) == 1


async def test_route_to_another_service() -> None:
    """Clusters that the live route leads to are watched as the destination's own are."""
    routes = configured({"match": {"prefix": "/"}, "route": {"cluster": LED_TO}})
    admin = Admin([clusters({(LED_TO, 8080): 1}), clusters({(LED_TO, 8080): 2})], routes=routes)
    watch = await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)
    assert [host.port for host in watch.upstreams()] == [8080]
    assert [u.cluster for u in (await watch.finish()).upstreams] == [LED_TO]


@pytest.mark.parametrize(("moves", "left"), [({}, False), ({"rq": 1}, True)])
async def test_has_left(moves: Mapping[str, int], left: bool) -> None:
    """A connection has left once an upstream of its port counts a stream."""
    tcp = Destination("tcp", "db.example.com", 3306)
    name = ("outbound|3306||db.example.com", 3306)
    admin = Admin([clusters({name: 1}), clusters({name: 1 + len(moves)})])
    assert await (await EnvoySidecar(admin).watch(tcp, ADDRESS)).has_connected() is left


async def test_moved() -> None:
    """A change is reported, and then nothing more is read."""
    admin = Admin([clusters({(ENTRY, 80): 1}), clusters({(ENTRY, 80): 2})])
    watch = await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)
    assert list(watch.upstreams()) == [Host(ENTRY, "203.0.113.10", 80)]
    moves = await watch.finish()
    assert moves.upstreams == (UpstreamDelta(ENTRY, "203.0.113.10:80", rq_total=1),)
    assert moves.hosts == (Host(ENTRY, "203.0.113.10", 80),)
    assert len(admin.asked) == 4


async def test_host_that_is_listed_late() -> None:
    """A host of PassthroughCluster that the list does not have yet is found at the second look."""
    admin = Admin([clusters({}), clusters({}), clusters({("PassthroughCluster", 80): 1})])
    moves = await (await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)).finish()
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
    """A cluster of the destination that lists no host is reported, unless its hosts come with each connection."""
    admin = Admin([clusters({}, empty)], active=configuration(types))
    moves = await (await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)).finish()
    assert moves.upstreams == tuple(UpstreamDelta(name, "") for name in told)
    assert moves.hosts == ()


async def test_warming() -> None:
    """Clusters of the destination that warm are reported, others are not."""
    admin = Admin([clusters({})], warming=configuration({ENTRY: "STRICT_DNS", "outbound|80||x.example.com": "EDS"}))
    moves = await (await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)).finish()
    assert moves.warming == (ENTRY,)


async def test_route_to_what_is_not_there() -> None:
    """A cluster of the live route that the sidecar does not list is reported, one without hosts is not."""
    for empty, unknown in (([], (LED_TO,)), ([LED_TO], ())):
        routes = configured({"match": {"prefix": "/"}, "route": {"cluster": LED_TO}})
        admin = Admin([clusters({}, empty)], routes=routes)
        moves = await (await EnvoySidecar(admin).watch(DESTINATION, ADDRESS)).finish()
        assert moves.unknown == unknown


async def test_broken_page() -> None:
    """A page that can't be read is a sidecar that does not answer."""
    with pytest.raises(OSError, match="listeners can't be read"):
        await EnvoySidecar(Admin([b""], listeners=b"<html>")).watch(DESTINATION, ADDRESS)
    with pytest.raises(OSError, match="list of clusters can't be read"):
        await EnvoySidecar(Admin([b"<html>"])).watch(DESTINATION, ADDRESS)
    watch = await EnvoySidecar(Admin([clusters({})], warming=b'{"configs": [{}]}')).watch(DESTINATION, ADDRESS)
    with pytest.raises(OSError, match="configuration can't be read"):
        await watch.finish()
