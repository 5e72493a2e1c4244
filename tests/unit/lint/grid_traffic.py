"""Rows for the rules of traffic settings (EGR0112 to EGR0119) and the faults that meet them."""

from dataclasses import replace
from typing import Any

from egress_server.domain.model.resources import (
    Abort,
    Delay,
    Endpoint,
    HeaderMatch,
    MatchKind,
    OutlierDetection,
    Resolution,
    Retries,
    Route,
    ServiceEntry,
    StringMatch,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from tests.support.inventories import foreign, inventory, kubernetes, service
from tests.support.meshes import cluster, entry, fault, ports, selector
from tests.unit.lint.cases import case

EU, US = selector(region="eu"), selector(region="us")
DNS = Resolution.DNS
TO_TLS = "EGR0112 ports[0].target_port"
NOWHERE = "EGR0113 traffic.routes[0].destinations[0]"
CANARY = "canary.example.org"


def routed(*to: WeightedDestination, **fields: Any) -> ServiceEntry:
    """An entry whose requests go there."""
    settings = TrafficSettings(routes=(Route(to),))
    return entry("bank", **{"ports": ports("80:HTTP"), "traffic": settings, **fields})


def target(*written: str, **fields: Any) -> ServiceEntry:
    """The entry that registers the destination, on 80 unless other ports are given."""
    return entry("canary", **{"hosts": (CANARY,), "ports": ports(*(written or ("80:HTTP",))), **fields})


def with_settings(**settings: Any) -> ServiceEntry:
    """An entry for HTTP with these traffic settings."""
    return entry("bank", ports=ports("80:HTTP"), traffic=TrafficSettings(**settings))


def on(name: str, value: str) -> HeaderMatch:
    """A condition."""
    return HeaderMatch(name, MatchKind.EXACT, value)


TLS_PORTS = [
    case("plain HTTP to 443", [], entry("a", ports=ports("80:HTTP:443"), resolution=DNS), TO_TLS),
    case("plain gRPC to 443", [], entry("a", ports=ports("80:GRPC:443"), resolution=DNS), TO_TLS),
    case(
        "plain HTTP to 443 of an endpoint",
        [],
        entry(
            "a",
            ports=ports("80:HTTP"),
            resolution=Resolution.STATIC,
            endpoints=(Endpoint("203.0.113.7"), Endpoint("203.0.113.8", {"http-80": 443})),
        ),
        "EGR0112 endpoints[1].ports",
    ),
    case(
        "443 for the endpoints that name no port",
        [],
        entry(
            "a",
            ports=ports("80:HTTP:443"),
            resolution=Resolution.STATIC,
            endpoints=(Endpoint("203.0.113.7"), Endpoint("203.0.113.8", {"http-80": 8080})),
        ),
        TO_TLS,
    ),
    case(
        "443 for no endpoint",
        [],
        entry(
            "a",
            ports=ports("80:HTTP:443"),
            resolution=Resolution.STATIC,
            endpoints=(Endpoint("203.0.113.8", {"http-80": 8080}),),
        ),
    ),
    case(
        "443 at the original address",
        [],
        entry("a", ports=ports("80:HTTP:443")),
        "EGR0112 ports[0].target_port",
    ),
    case(
        "TLS originated on another port",
        [],
        entry(
            "a",
            ports=ports("80:HTTP:443", "81:HTTP:443"),
            resolution=DNS,
            traffic=TrafficSettings(tls_origination=TlsOrigination(81)),
        ),
        "EGR0107 ports[1].number",
        TO_TLS,
    ),
    case(
        "TLS originated",
        [],
        entry(
            "a",
            ports=ports("80:HTTP:443"),
            resolution=DNS,
            traffic=TrafficSettings(tls_origination=TlsOrigination(80)),
        ),
    ),
    case("plain HTTP to 8080", [], entry("a", ports=ports("80:HTTP:8080"), resolution=DNS)),
    case("TLS to 443", [], entry("a", ports=ports("444:TLS:443"), resolution=DNS)),
    case(
        "any certificate",
        [],
        entry(
            "a",
            ports=ports("80:HTTP:443"),
            resolution=DNS,
            traffic=TrafficSettings(tls_origination=TlsOrigination(80, insecure_skip_verify=True)),
        ),
        "EGR0116 traffic.tls_origination.insecure_skip_verify",
    ),
]

ROUTES = [
    case("to a host that is not registered", [], routed(WeightedDestination(CANARY)), NOWHERE),
    case("to a host that is registered", [target()], routed(WeightedDestination(CANARY))),
    case("to itself", [], routed(WeightedDestination("bank.example.com"))),
    case("to itself on a port that it lacks", [], routed(WeightedDestination("bank.example.com", 8080)), NOWHERE),
    case("to a port that is registered", [target("80:HTTP", "81:HTTP")], routed(WeightedDestination(CANARY, 81))),
    case(
        "to a host of another namespace",
        [target("80:HTTP", export_to=(".",))],
        routed(WeightedDestination(CANARY)),
        NOWHERE,
    ),
    case(
        "to a host on some clusters",
        [cluster("east"), cluster("west"), target("80:HTTP", cluster_selector=selector("east"))],
        routed(WeightedDestination(CANARY)),
        NOWHERE,
    ),
    case(
        "to a host on all clusters",
        [cluster("east"), target("80:HTTP", cluster_selector=selector("east"))],
        routed(WeightedDestination(CANARY)),
    ),
    case("to a port that is not", [target("80:HTTP")], routed(WeightedDestination(CANARY, 81)), NOWHERE),
    case(
        "without a port to one that has only another",
        [target("8080:HTTP")],
        routed(WeightedDestination(CANARY)),
        NOWHERE,
    ),
    case("to the only port, by number", [target("8080:HTTP")], routed(WeightedDestination(CANARY, 8080))),
    case("to none of two ports", [target("81:HTTP", "82:HTTP")], routed(WeightedDestination(CANARY)), NOWHERE),
    case("to one below a wildcard", [target(hosts=("*.example.org",))], routed(WeightedDestination(CANARY)), NOWHERE),
    case(
        "to one on another cluster",
        [target(cluster_selector=EU)],
        routed(WeightedDestination(CANARY), cluster_selector=US),
        NOWHERE,
    ),
    case(
        "to a Service of the mesh",
        [kubernetes()],
        routed(WeightedDestination("web.shop.svc.cluster.local")),
        inventories=[inventory(services=(service(),))],
    ),
    case(
        "to a foreign entry",
        [kubernetes()],
        routed(WeightedDestination(CANARY)),
        inventories=[inventory(entries=(foreign("c", hosts=(CANARY,), ports=ports("80:HTTP")),))],
    ),
    case(
        "the destination is deleted",
        [target(), routed(WeightedDestination(CANARY))],
        target(),
        "EGR0113 name",
        deletes=True,
    ),
    case(
        "one of two entries for the destination is deleted",
        [target(), entry("more", hosts=(CANARY,), ports=ports("80:HTTP")), routed(WeightedDestination(CANARY))],
        target(),
        deletes=True,
    ),
    case(
        "the destination gets another host",
        [target(), routed(WeightedDestination(CANARY))],
        target(hosts=("other.example.org",)),
        "EGR0113 hosts",
    ),
    case(
        "the destination loses the port",
        [target("80:HTTP", "81:HTTP"), routed(WeightedDestination(CANARY, 81))],
        target("80:HTTP"),
        "EGR0113 hosts",
    ),
    case("the destination stays", [target(), routed(WeightedDestination(CANARY))], target("80:HTTP")),
    case("it led nowhere before", [routed(WeightedDestination(CANARY, 82)), target()], target("80:HTTP")),
    case(
        "an entry that routes to itself is deleted",
        [routed(WeightedDestination("bank.example.com"))],
        routed(WeightedDestination("bank.example.com")),
        deletes=True,
    ),
    case(
        "the same conditions twice",
        [target()],
        with_settings(
            routes=(
                Route((WeightedDestination(CANARY),), (on("a", "1"), on("b", "2"))),
                Route((WeightedDestination(CANARY),), (on("a", "1"),)),
                Route((WeightedDestination(CANARY),), (on("b", "2"), on("a", "1"))),
            )
        ),
        "EGR0119 traffic.routes[2]",
    ),
]

TIMES = [
    case(
        "a try as long as the request",
        [],
        with_settings(timeout=2.0, retries=Retries(3, 2.0)),
        "EGR0118 traffic.retries.per_try_timeout",
    ),
    case("a try shorter than the request", [], with_settings(timeout=2.0, retries=Retries(3, 0.5))),
    case("no retries", [], with_settings(timeout=2.0, retries=Retries(0, 2.0))),
    case("no timeout", [], with_settings(retries=Retries(3, 2.0))),
    case(
        "outliers of TLS",
        [],
        entry("a", ports=ports("443:TLS"), traffic=TrafficSettings(outlier_detection=OutlierDetection(3))),
        "EGR0114 traffic.outlier_detection",
    ),
    case(
        "outliers of HTTP and TLS",
        [],
        entry("a", ports=ports("80:HTTP", "443:TLS"), traffic=TrafficSettings(outlier_detection=OutlierDetection(3))),
    ),
]

NAMES = [
    case("Squid", [], entry("a", ports=ports("3128:HTTP")), "EGR0107 ports[0].number", "EGR0115 ports[0].protocol"),
    case(
        "a host called proxy",
        [],
        entry("a", hosts=("proxy-1.example.com",), ports=ports("80:HTTP", "443:TLS")),
        "EGR0115 ports[0].protocol",
    ),
    case("a proxy as TCP", [], entry("a", ports=ports("3128:TCP"), resolution=DNS, addresses=("203.0.113.7",))),
    case("a domain called proxy", [], entry("a", hosts=("www.proxy.example.com",))),
    case("all of .co.uk", [], entry("a", hosts=("*.co.uk", "*.example.co.uk")), "EGR0117 hosts[0]"),
    case("a domain below a country", [], entry("a", hosts=("*.example.de", "*.co.example.com"))),
    case("all of .com", [], entry("a", hosts=("*.example.com", "*.com")), "EGR0117 hosts[1]"),
]

SHARES = [
    case("a quarter of a percent", [entry("bank")], fault(abort=Abort(503, percent=0.25)), "EGR0206 abort.percent"),
    case(
        "half a percent each",
        [entry("bank")],
        fault(abort=Abort(503, percent=0.5), delay=Delay(1.0, 0.5)),
        "EGR0206 delay.percent",
        "EGR0206 abort.percent",
    ),
    case("one percent", [entry("bank")], fault(abort=Abort(503, percent=1.0))),
    case("an abort with retries", [with_settings(retries=Retries(2))], fault(), "EGR0207 abort"),
    case(
        "retries with an abort",
        [with_settings(), fault()],
        with_settings(retries=Retries(2)),
        "EGR0207 traffic.retries",
    ),
    case("a delay with retries", [with_settings(retries=Retries(2))], fault(abort=None, delay=Delay(1.0))),
    case("an abort with no retries", [with_settings(retries=Retries(0))], fault()),
    case(
        "retries on another cluster",
        [entry("eu", hosts=("bank.example.com",), cluster_selector=EU), fault(cluster_selector=EU)],
        entry("bank", traffic=TrafficSettings(retries=Retries(2)), cluster_selector=US),
    ),
]

PATH, OTHER_PATH = StringMatch(MatchKind.REGEX, "/a.*"), StringMatch(MatchKind.REGEX, ".*b")
BY_PATH = with_settings(routes=(Route((WeightedDestination("bank.example.com"),), match_uri=PATH),))
DIGIT = HeaderMatch("1", MatchKind.REGEX, "a.*")

EXPRESSIONS = [
    case("two expressions", [BY_PATH], fault(match_uri=OTHER_PATH), "EGR0208 match_uri"),
    case(
        "two expressions, route last", [with_settings(), fault(match_uri=OTHER_PATH)], BY_PATH, "EGR0208 traffic.routes"
    ),
    case("one expression twice", [BY_PATH], fault(match_uri=PATH)),
    case("an expression and a prefix", [BY_PATH], fault(match_uri=StringMatch(MatchKind.PREFIX, "/a"))),
    case(
        "a header without letters",
        [with_settings(routes=(Route((WeightedDestination("bank.example.com"),), (DIGIT,)),))],
        fault(match_headers=(replace(DIGIT, value=".*b"),)),
        "EGR0208 match_headers",
    ),
    case(
        "a header with letters",
        [with_settings(routes=(Route((WeightedDestination("bank.example.com"),), (replace(DIGIT, name="x"),)),))],
        fault(match_headers=(HeaderMatch("x", MatchKind.REGEX, ".*b"),)),
    ),
    case(
        "an expression on another cluster",
        [entry("eu", hosts=("bank.example.com",), cluster_selector=EU), replace(BY_PATH, cluster_selector=US)],
        fault(match_uri=OTHER_PATH, cluster_selector=EU),
    ),
]

CASES = [*TLS_PORTS, *ROUTES, *TIMES, *NAMES, *SHARES, *EXPRESSIONS]
