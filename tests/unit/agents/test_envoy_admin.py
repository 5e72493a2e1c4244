"""What the agent asks its sidecar, and what it makes of the pages. They are as Envoy 1.40 gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from egress_server.agents.sidecar.counters import Host
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.live.decision import Question
from egress_server.domain.probe.evidence import Destination, UpstreamDelta
from tests.support.envoy.admin import asked_for, config_page
from tests.support.envoy.resources import (
    chain,
    cluster,
    entrance,
    http_listener,
    listener,
    route,
    route_table,
    tcp_proxy,
)

Json = dict[str, Any]

DESTINATION = Destination("http", "www.example.com", 80)
ENTRY = "outbound|80||www.example.com"
ADDRESS = "203.0.113.10"
QUESTION = Question(DESTINATION, ADDRESS)


def clusters(counts: Mapping[tuple[str, int], int], empty: Sequence[str] = ()) -> bytes:
    """A page of clusters: streams by cluster and port on one address, and clusters without hosts."""
    statuses: list[Json] = [
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


def table(*routes: Json) -> Json:
    """The routes of the destination's host."""
    return route_table("80", {"www.example.com": routes, "*": [route("PassthroughCluster")]})


@dataclass
class Admin:
    """Pages as Envoy narrows them; those of `pages`, the clusters, in the order in which they are asked for, and the
    last one repeats. An attempt reads two of them if a route leads elsewhere."""

    pages: list[bytes]
    routes: Json = field(default_factory=lambda: table(route(ENTRY)))
    listeners: Sequence[Json] = (entrance(), http_listener(80))
    active: Sequence[Json] = ()
    warming: Sequence[Json] = ()
    asked: list[str] = field(default_factory=list)

    async def __call__(self, target: str) -> bytes:
        """Gives the page."""
        self.asked.append(target)
        if target.startswith("/clusters"):
            if asked_for(target, "filter").search("PassthroughCluster"):
                return clusters({}) if len(self.pages) > 1 else self.pages[0]
            return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        return config_page(
            target, listeners=self.listeners, routes=[self.routes], active=self.active, warming=self.warming
        )


ALWAYS = {"PassthroughCluster", "AllowAnyDynamicDNSCluster", "outbound|443||kubernetes.default.svc.cluster.local"}
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
    ("listeners", "routes", "watched"),
    [
        ((entrance(),), table(), OWN | OF_THE_PORT),
        ((entrance(), listener(ADDRESS, 80, chain(tcp_proxy(ENTRY)))), table(route(LED_TO)), OWN | OF_THE_PORT),
        ((entrance(), http_listener(80)), table(route(direct_response={"status": 502})), OWN),
        ((entrance(), http_listener(80)), table(route(LED_TO)), OWN | {LED_TO}),
    ],
)
async def test_only_what_matters_is_asked_for(listeners: Sequence[Json], routes: Json, watched: set[str]) -> None:
    """A mesh may have thousands of services, so the list of clusters is narrowed to those of the host and of its route;
    if no route decides, to those of the port."""
    admin = Admin([clusters({})], routes=routes, listeners=listeners)
    await EnvoySidecar(admin).watch(QUESTION)
    names = [asked_for(target, "filter") for target in admin.asked if target.startswith("/clusters")]
    every = ALWAYS | OWN | OF_THE_PORT | {LED_TO} | NEVER
    assert {name for name in every if any(each.search(name) for each in names)} == ALWAYS | watched


async def test_routes_are_for_http() -> None:
    """The sidecar sees no requests unless they are plain HTTP, so its routes are not read."""
    for scheme in ("https", "tls", "tcp"):
        admin = Admin([clusters({})])
        await EnvoySidecar(admin).watch(Question(Destination(scheme, "www.example.com", 80), ADDRESS))
        assert not any("dynamic_route_configs" in target for target in admin.asked)


async def test_a_service_with_addresses_of_both_families_has_one_listener() -> None:
    """Which is named after the other one."""
    more = [{"address": {"socket_address": {"address": ADDRESS, "port_value": 80}}}]
    both = listener("2001:db8::1", 80, chain(tcp_proxy(LED_TO)), additional_addresses=more)
    admin = Admin([clusters({})], listeners=(entrance(), both), active=[cluster(LED_TO, type="EDS")])
    watch = await EnvoySidecar(admin).watch(QUESTION)
    assert watch.route.empty == (LED_TO,)


async def test_route_to_another_service() -> None:
    """Clusters that the live route leads to are watched as the destination's own are."""
    before, after = clusters({(LED_TO, 8080): 1}), clusters({(LED_TO, 8080): 2})
    admin = Admin([before, before, after], routes=table(route(LED_TO)))
    watch = await EnvoySidecar(admin).watch(QUESTION)
    assert [host.port for host in watch.upstreams()] == [8080]
    assert [u.cluster for u in (await watch.finish()).upstreams] == [LED_TO]


@pytest.mark.parametrize(("moves", "left"), [({}, False), ({"rq": 1}, True)])
async def test_has_left(moves: Mapping[str, int], left: bool) -> None:
    """A connection has left once an upstream of its port counts a stream."""
    tcp = Destination("tcp", "db.example.com", 3306)
    name = ("outbound|3306||db.example.com", 3306)
    admin = Admin([clusters({name: 1}), clusters({name: 1 + len(moves)})])
    assert await (await EnvoySidecar(admin).watch(Question(tcp, ADDRESS))).has_connected() is left


async def test_moved() -> None:
    """A change is reported, and then nothing more is read."""
    admin = Admin([clusters({(ENTRY, 80): 1}), clusters({(ENTRY, 80): 2})])
    watch = await EnvoySidecar(admin).watch(QUESTION)
    assert list(watch.upstreams()) == [Host(ENTRY, "203.0.113.10", 80)]
    moves = await watch.finish()
    assert moves.upstreams == (UpstreamDelta(ENTRY, "203.0.113.10:80", rq_total=1),)
    assert moves.hosts == (Host(ENTRY, "203.0.113.10", 80),)
    assert admin.asked[-1].startswith("/clusters")


async def test_host_that_is_listed_late() -> None:
    """A host of PassthroughCluster that the list does not have yet is found at the second look."""
    admin = Admin([clusters({}), clusters({}), clusters({("PassthroughCluster", 80): 1})])
    moves = await (await EnvoySidecar(admin).watch(QUESTION)).finish()
    assert moves.upstreams == (UpstreamDelta("PassthroughCluster", "203.0.113.10:80", rq_total=1),)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (cluster(ENTRY, type="STRICT_DNS"), [ENTRY]),
        (cluster(ENTRY, type="EDS"), [ENTRY]),
        (cluster(ENTRY, type="ORIGINAL_DST"), []),
        (cluster("outbound|80||other.example.com", type="EDS"), []),
    ],
)
async def test_clusters_without_address(written: Json, told: list[str]) -> None:
    """A cluster of the destination that has no host is reported, unless its hosts come with each connection."""
    admin = Admin([clusters({})], active=[written])
    moves = await (await EnvoySidecar(admin).watch(QUESTION)).finish()
    assert moves.upstreams == tuple(UpstreamDelta(name, "") for name in told)
    assert moves.hosts == ()


async def test_warming() -> None:
    """Clusters of the destination that warm are reported, others are not, nor those with a former version."""
    warming = [cluster(ENTRY, type="STRICT_DNS"), cluster("outbound|80||x.example.com", type="EDS")]
    for active, expected in (((), (ENTRY,)), ([cluster(ENTRY)], ())):
        admin = Admin([clusters({})], warming=warming, active=active)
        moves = await (await EnvoySidecar(admin).watch(QUESTION)).finish()
        assert moves.route.warming == expected


async def test_route_to_what_is_not_there() -> None:
    """A cluster of the live route that the sidecar does not have is reported, one without hosts is not."""
    for active, unknown in (((), (LED_TO,)), ([cluster(LED_TO, type="EDS")], ())):
        admin = Admin([clusters({})], routes=table(route(LED_TO)), active=active)
        moves = await (await EnvoySidecar(admin).watch(QUESTION)).finish()
        assert moves.route.unknown == unknown


async def test_broken_page() -> None:
    """A page that can't be read is a sidecar that does not answer."""
    with pytest.raises(OSError, match="configuration can't be read"):
        await EnvoySidecar(
            Admin([b""], listeners=[{"name": "virtualOutbound", "use_original_dst": 1, "address": 1}])
        ).watch(QUESTION)
    with pytest.raises(OSError, match="list of clusters can't be read"):
        await EnvoySidecar(Admin([b"<html>"])).watch(QUESTION)
