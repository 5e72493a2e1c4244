"""Rows for the rules of service entries (EGR01xx)."""

from typing import Any

from egress_server.domain.model.resources import (
    Endpoint,
    OutboundPolicy,
    Resolution,
    ServiceEntry,
    TlsOrigination,
    TrafficSettings,
)
from egress_server.domain.model.selectors import Scope
from tests.support.meshes import entry, policy, ports, selector
from tests.unit.lint.cases import case

EU, US = selector(region="eu"), selector(region="us")
TLS: dict[str, Any] = {"hosts": ("bank.example.com",), "ports": ports("8443:TLS")}
HTTP: dict[str, Any] = {"hosts": ("bank.example.com",), "ports": ports("8443:HTTP")}
WIDE = "EGR0107 ports[0].number"
CONFLICT = "EGR0101 ports[0].protocol"
TAKES = "EGR0106 ports[0].number"
SHARED = "EGR0102 ports[0].number"
SAME_ADDRESS = "EGR0131 addresses[0]"


def db(id_: str, port: str = "3306:TCP", **fields: Any) -> ServiceEntry:
    """A database that is resolved by DNS."""
    return entry(id_, **{"ports": ports(port), "resolution": Resolution.DNS, **fields})


def raw(id_: str, port: str = "3306:TCP", **fields: Any) -> ServiceEntry:
    """A database at its original address."""
    return db(id_, port, **{"resolution": Resolution.NONE, **fields})


def web(id_: str, *written: str, **fields: Any) -> ServiceEntry:
    """An entry with these ports."""
    return entry(id_, ports=ports(*written), **fields)


def strict(namespace: str) -> OutboundPolicy:
    """REGISTRY_ONLY for a namespace, or for the mesh if it is empty."""
    return policy("REGISTRY_ONLY", namespace or "all", scope=Scope(namespace))


def many(count: int, id_: str = "many", **fields: Any) -> ServiceEntry:
    """An entry with this many DNS hosts."""
    hosts = tuple(f"h{number}.{id_}.example.com" for number in range(count))
    return entry(id_, **{"hosts": hosts, "resolution": Resolution.DNS, **fields})


_DOCUMENT = entry("aliyun", hosts=("www.aliyun.com",), resolution=Resolution.DNS)

SOUND = [
    case("the document's entry", [], _DOCUMENT),
    case("the document's entry again", [_DOCUMENT], _DOCUMENT),
    case("another HTTPS host", [_DOCUMENT], entry("bank", resolution=Resolution.DNS)),
    case(
        "TLS origination as Istio documents it",
        [],
        web("a", "80:HTTP:443", resolution=Resolution.DNS, traffic=TrafficSettings(tls_origination=TlsOrigination())),
    ),
    case("a database with its address", [], db("a", addresses=("203.0.113.5",))),
]

PROTOCOLS = [
    case("HTTP where another says TLS", [entry("a", **TLS)], entry("b", **HTTP), CONFLICT, "EGR0107 ports[0].number"),
    case("the same protocol", [entry("a", **TLS)], entry("b", **TLS)),
    case("TLS and HTTPS are one", [entry("a", **TLS)], web("b", "8443:HTTPS", hosts=("bank.example.com",))),
    case("HTTP2 and GRPC are one", [web("a", "80:GRPC", hosts=("x.io",))], web("b", "80:HTTP2", hosts=("x.io",))),
    case("TCP and TLS are two", [entry("a", **TLS)], raw("b", "8443:TCP", hosts=TLS["hosts"]), CONFLICT, TAKES),
    case("another port", [entry("a", **TLS)], web("b", "80:HTTP", hosts=TLS["hosts"])),
    case("the entry itself changes", [entry("a", **TLS)], entry("a", **HTTP), WIDE),
    case("across namespaces", [entry("a", **TLS)], entry("b", namespace="prod", **HTTP), CONFLICT, WIDE),
    case(
        "disjoint clusters",
        [entry("a", cluster_selector=selector("east"), **TLS)],
        entry("b", cluster_selector=selector("west"), **HTTP),
        WIDE,
    ),
    case(
        "a common cluster",
        [entry("a", cluster_selector=selector("east"), **TLS)],
        entry("b", cluster_selector=selector("east", "west"), **HTTP),
        CONFLICT,
        WIDE,
    ),
    case(
        "one for all clusters",
        [entry("a", cluster_selector=selector("east"), **TLS)],
        entry("b", **HTTP),
        CONFLICT,
        WIDE,
    ),
    case("disjoint labels", [entry("a", cluster_selector=EU, **TLS)], entry("b", cluster_selector=US, **HTTP), WIDE),
    case(
        "labels that may meet",
        [entry("a", cluster_selector=EU, **TLS)],
        entry("b", cluster_selector=selector(tier="1"), **HTTP),
        CONFLICT,
        WIDE,
    ),
    case(
        "labels and names may meet",
        [entry("a", cluster_selector=EU, **TLS)],
        entry("b", cluster_selector=selector("east"), **HTTP),
        CONFLICT,
        WIDE,
    ),
    case(
        "private in two namespaces",
        [entry("a", export_to=(".",), **TLS)],
        entry("b", namespace="prod", export_to=(".",), **HTTP),
        WIDE,
    ),
    case(
        "private in one namespace",
        [entry("a", export_to=(".",), **TLS)],
        entry("b", export_to=(".",), **HTTP),
        CONFLICT,
        WIDE,
    ),
    case(
        "exported into the other's namespace",
        [entry("a", export_to=("prod",), **TLS)],
        entry("b", namespace="prod", export_to=(".",), **HTTP),
        CONFLICT,
        WIDE,
    ),
]

ENDPOINTS = [
    case("no address", [], entry("a", resolution=Resolution.STATIC), "EGR0123 endpoints"),
    case("workloads", [], entry("a", resolution=Resolution.STATIC, workload_selector={"app": "x"})),
    case("hidden from all", [], entry("a", resolution=Resolution.DNS, export_to=("~",)), "EGR0110 export_to"),
    case(
        "hidden from all, in another protocol",
        [web("a", "80:HTTP", hosts=("x.io",), export_to=("~",))],
        web("b", "80:TLS", hosts=("x.io",)),
    ),
]

DATABASES = [
    case(
        "a database protocol is TCP to sidecars",
        [],
        db("a", "3306:MYSQL", addresses=("203.0.113.5",)),
        "EGR0121 ports[0].protocol",
    ),
    case("and takes its port", [db("a")], db("b", "3306:REDIS"), SHARED, TAKES, "EGR0121 ports[0].protocol"),
    case(
        "and is the same as TCP",
        [db("a", hosts=("db.io",))],
        db("b", "3306:MYSQL", hosts=("db.io",)),
        TAKES,
        "EGR0121 ports[0].protocol",
    ),
    case("without a protocol", [], db("a", "3306", addresses=("203.0.113.5",)), "EGR0122 ports[0].protocol"),
]

TCP_PORTS = [
    case("two databases on one port", [db("a")], db("b"), SHARED, TAKES),
    case("with addresses", [db("a", addresses=("203.0.113.5",))], db("b", addresses=("203.0.113.6",))),
    case("one of them with addresses", [db("a", addresses=("203.0.113.5",))], db("b"), TAKES),
    case("on two ports", [db("a")], db("b", "5432:TCP"), TAKES),
    case("one host twice", [db("a", hosts=("db.io",))], db("b", hosts=("db.io",)), TAKES),
    case("both at the dialled address: nothing is misled", [raw("a")], raw("b"), TAKES),
    case("one resolved, one at the dialled address", [raw("a")], db("b"), SHARED, TAKES),
    case("the same the other way round", [db("a")], raw("b"), SHARED, TAKES),
    case("MONGO carries no name either", [db("a", "27017:TCP")], db("b", "27017:MONGO"), SHARED, TAKES),
    case("TLS is distinguished by its server name", [web("a", "3306:TLS")], web("b", "3306:TLS")),
    case("private in two namespaces", [db("a", export_to=(".",))], db("b", namespace="x", export_to=(".",)), TAKES),
    case("on two clusters", [db("a", cluster_selector=EU)], db("b", cluster_selector=US), TAKES),
    case("the entry itself again", [db("a")], db("a"), TAKES),
    case("TCP and TLS on 443: the server name decides first", [web("a", "443:TLS")], raw("b", "443:TCP"), TAKES),
]

BY_ITSELF = [
    case(
        "a wildcard by DNS",
        [],
        entry("a", hosts=("x.io", "*.example.com"), resolution=Resolution.DNS),
        "EGR0103 hosts[1]",
    ),
    case(
        "a wildcard by DNS_ROUND_ROBIN",
        [],
        entry("a", hosts=("*.example.com",), resolution=Resolution.DNS_ROUND_ROBIN),
        "EGR0103 hosts[0]",
    ),
    case(
        "a wildcard by DNS, with endpoints",
        [],
        entry("a", hosts=("*.x.io",), resolution=Resolution.DNS, endpoints=(Endpoint("origin.x.io"),)),
    ),
    case("a wildcard at the dialled address", [], entry("a", hosts=("*.example.com",))),
    case(
        "a wildcard by request",
        [],
        web("a", "80:HTTP", "443:TLS", hosts=("*.x.io",), resolution=Resolution.DYNAMIC_DNS),
    ),
    case(
        "DYNAMIC_DNS with HTTPS",
        [],
        entry("a", hosts=("*.x.io",), resolution=Resolution.DYNAMIC_DNS),
        "EGR0104 ports[1].protocol",
    ),
    case(
        "DYNAMIC_DNS with TCP",
        [],
        web("a", "3306:TCP", resolution=Resolution.DYNAMIC_DNS),
        "EGR0104 ports[0].protocol",
        TAKES,
    ),
    *(
        case(
            f"endpoint {address}",
            [],
            entry("a", resolution=Resolution.STATIC, endpoints=(Endpoint("203.0.113.7"), Endpoint(address))),
            "EGR0105 endpoints[1].address",
        )
        for address in ("127.0.0.1", "::1", "169.254.169.254", "fe80::1", "100.100.100.200", "::ffff:127.0.0.1")
    ),
    *(
        case(f"address {address}", [], entry("a", addresses=("10.0.0.0/8", address)), "EGR0105 addresses[1]")
        for address in ("127.0.0.0/8", "169.254.169.254", "126.0.0.0/7", "168.0.0.0/6", "fe80::/64", "fd00:ec2::254")
    ),
    case(
        "private addresses are a partner's",
        [],
        entry("a", addresses=("10.0.0.0/8", "172.16.0.0/12", "192.168.1.7", "100.64.0.0/10", "fd12::/16")),
    ),
    case(
        "TCP without addresses, after TLS",
        [],
        raw("a", "443:TLS"),
    ),
    case("each TCP port without addresses", [], web("a", "1:TCP", "2:MONGO"), TAKES, "EGR0106 ports[1].number"),
    case("443 declared HTTP", [], web("a", "80:HTTP", "443:HTTP"), "EGR0108 ports[1].protocol"),
    case("443 declared GRPC", [], web("a", "443:GRPC"), "EGR0108 ports[0].protocol"),
]

HTTP_PORTS = [
    case("the first HTTP on a port", [], web("a", "8080:HTTP"), WIDE),
    case("the first gRPC on a port", [], web("a", "80:HTTP", "50051:GRPC"), "EGR0107 ports[1].number"),
    case("with addresses all the same", [], web("a", "8080:HTTP", addresses=("203.0.113.5",)), WIDE),
    case("the second HTTP on a port", [web("a", "8080:HTTP")], web("b", "8080:GRPC")),
    case(
        "the first HTTP that these workloads see",
        [web("a", "8080:HTTP", cluster_selector=EU)],
        web("b", "8080:HTTP", cluster_selector=US),
        WIDE,
    ),
    case("80 is HTTP anyway", [], web("a", "80:HTTP")),
    case("where another host has TLS", [web("a", "8443:TLS")], web("b", "8443:HTTP"), WIDE),
    case("TLS where another host has HTTP", [web("a", "8443:HTTP")], web("b", "8443:TLS")),
    case("80 where another host has TCP", [raw("a", "80:TCP")], web("b", "80:HTTP"), "EGR0107 ports[0].protocol"),
    case(
        "TCP where another host has HTTP", [web("a", "80:HTTP")], raw("b", "80:TCP"), TAKES, "EGR0107 ports[0].protocol"
    ),
    case("TCP with an address, and HTTP", [web("a", "80:HTTP")], db("b", "80:TCP", addresses=("203.0.113.5",))),
    case(
        "TCP with a range, and HTTP",
        [web("a", "80:HTTP")],
        raw("b", "80:TCP", addresses=("203.0.113.0/24",)),
        "EGR0107 ports[0].protocol",
    ),
    case("HTTPS where 443 was declared HTTP", [web("a", "443:HTTP")], web("b", "443:HTTPS")),
]

AT: dict[str, Any] = {"addresses": ("203.0.113.5",)}
RANGE: dict[str, Any] = {"addresses": ("203.0.113.0/24",)}
ADDRESSES = [
    case("two databases at one address", [db("a", **AT)], db("b", **AT), SAME_ADDRESS),
    case("two databases in one range", [db("a", **RANGE)], db("b", **RANGE), SAME_ADDRESS),
    case("one of two addresses", [db("a", **AT)], db("b", addresses=("203.0.113.6", *AT["addresses"])),
         "EGR0131 addresses[1]"),
    case("TLS at one address", [db("a", "8443:TLS", **AT)], db("b", "8443:TLS", **AT), SAME_ADDRESS),
    case("TLS in one range goes by server name", [db("a", "8443:TLS", **RANGE)], db("b", "8443:TLS", **RANGE)),
    case("HTTP goes by host", [db("a", "80:HTTP", **AT)], db("b", "80:HTTP", **AT)),
    case("another port at one address", [db("a", **AT)], db("b", "5432:TCP", **AT)),
    case("one host twice", [db("a", **AT)], db("b", hosts=("a.example.com",), **AT)),
    case("neither is seen by the other's", [db("a", export_to=(".",), **AT)],
         db("b", namespace="prod", export_to=(".",), **AT)),
    case("both go to their original address", [raw("a", **AT)], raw("b", **AT)),
]  # fmt: skip

RESOLVERS = [
    case("200 names", [], many(200)),
    case("201 names", [], many(201), "EGR0111 resolution"),
    case("201 names by two entries", [many(200)], many(1, "b"), "EGR0111 resolution"),
    case("the same names again", [many(201)], many(201)),
    case("fewer names than before", [many(220)], many(210)),
    case("more names than before", [many(210)], many(220), "EGR0111 resolution"),
    case("the same names for more workloads", [many(210, export_to=(".",))], many(210), "EGR0111 resolution"),
    case("in a namespace of its own", [many(200)], many(1, "b", export_to=(".",)), "EGR0111 resolution"),
    case("in two namespaces", [many(200, export_to=(".",))], many(100, "b", namespace="x", export_to=(".",))),
    case("of which one address is resolved", [], many(210, endpoints=(Endpoint("origin.example.com"),))),
    case("that are not resolved", [], many(210, resolution=Resolution.NONE)),
]

CASES = [*SOUND, *PROTOCOLS, *DATABASES, *ENDPOINTS]
CASES += [*TCP_PORTS, *BY_ITSELF, *HTTP_PORTS, *ADDRESSES, *RESOLVERS]
