"""Rows for the rules of faults and the entries that they depend on (EGR02xx)."""

from egress_server.domain.model.resources import Abort, Delay, Resolution, TrafficSettings
from tests.support.meshes import cluster, entry, fault, ports, selector
from tests.unit.lint.cases import case

EAST, WEST = cluster("east", region="eu"), cluster("west", region="us")
EU, US = selector(region="eu"), selector(region="us")
BANK = entry("bank", resolution=Resolution.DNS)
SECURE = entry("bank", ports=ports("443:HTTPS"))
DATABASE = entry("bank", ports=ports("3306:TCP"), addresses=("203.0.113.5",))
SLOW = Delay(3.0)
NO_ENTRY = "EGR0202 host"

ON_FAULTS = [
    case("the document's fault", [BANK], fault(delay=Delay(5.0), abort=None)),
    case("on its HTTP port", [BANK], fault(ports=(80,))),
    case("on its HTTPS port", [BANK], fault(ports=(80, 443)), "EGR0201 ports[1]"),
    case("on a port of no entry", [BANK], fault(ports=(8080,)), "EGR0201 ports[0]"),
    case("on a host that is only HTTPS", [SECURE], fault(), "EGR0201 host"),
    case("on a host that is only TCP", [DATABASE], fault(ports=(3306,)), "EGR0201 ports[0]"),
    case("on GRPC", [entry("bank", ports=ports("80:GRPC", "81:HTTP2", "82:GRPC-WEB"))], fault(ports=(80, 81, 82))),
    case(
        "on 443 that is HTTP, since the sidecar speaks TLS",
        [entry("bank", ports=ports("443:HTTP"))],
        fault(ports=(443,)),
    ),
    case(
        "the HTTP port is in a second entry of the host",
        [SECURE, entry("more", hosts=SECURE.hosts, ports=ports("80:HTTP"))],
        fault(ports=(80,)),
    ),
    case("without an entry", [], fault(), NO_ENTRY),
    case("with an entry for another host", [entry("shop")], fault(), NO_ENTRY),
    case("with an entry for a wildcard", [entry("any", hosts=("*.example.com",))], fault(), NO_ENTRY),
    case("for a wildcard that is registered so", [entry("any", hosts=("*.x.io",))], fault(host="*.x.io")),
    case("for a wildcard above what is registered", [BANK], fault(host="*.example.com"), NO_ENTRY),
    case("the entry is on another cluster", [entry("bank", cluster_selector=EU)], fault(cluster_selector=US), NO_ENTRY),
    case("the entry is on one of two clusters", [EAST, WEST, entry("bank", cluster_selector=EU)], fault(), NO_ENTRY),
    case("the entry is on the only cluster", [EAST, entry("bank", cluster_selector=EU)], fault()),
    case(
        "two entries are on two clusters",
        [
            EAST,
            WEST,
            entry("a", hosts=BANK.hosts, cluster_selector=EU),
            entry("b", hosts=BANK.hosts, cluster_selector=US),
        ],
        fault(),
    ),
    case(
        "the fault is where the entry is", [EAST, WEST, entry("bank", cluster_selector=EU)], fault(cluster_selector=EU)
    ),
    case(
        "by name where the entry is by label",
        [EAST, entry("bank", cluster_selector=EU)],
        fault(cluster_selector=selector("east")),
    ),
    case("the entry's namespace does not matter", [BANK], fault(namespace="prod")),
]

ON_ENTRIES = [
    case("the entry comes after the fault", [fault()], BANK),
    case("a host with a fault is dropped", [BANK, fault()], entry("bank", hosts=("x.io",)), "EGR0202 hosts"),
    case("the last entry is deleted", [BANK, fault()], BANK, "EGR0202 name", deletes=True),
    case("one of two entries is deleted", [BANK, entry("b", hosts=BANK.hosts), fault()], BANK, deletes=True),
    case("an entry without a fault is deleted", [BANK, fault(host="x.io")], BANK, deletes=True),
    case("the fault is deleted", [BANK, fault()], fault(), deletes=True),
    case(
        "the entry with the HTTP port is deleted",
        [BANK, entry("b", hosts=BANK.hosts, ports=ports("443:HTTPS")), fault()],
        BANK,
        "EGR0201 name",
        deletes=True,
    ),
    case("the HTTP port is dropped", [BANK, fault()], SECURE, "EGR0201 ports"),
    case("the fault's port is dropped", [BANK, fault(ports=(80,))], SECURE, "EGR0201 ports"),
    case("another port is dropped", [BANK, fault(ports=(80,))], entry("bank", ports=ports("80:HTTP"))),
    case("what was wrong before is not to blame", [fault(), entry("b", hosts=("y.io",))], entry("b", hosts=("x.io",))),
    case("a fault forced onto HTTPS stays so", [SECURE, fault()], SECURE),
    case(
        "the entry leaves a cluster that has the fault",
        [EAST, WEST, BANK, fault()],
        entry("bank", cluster_selector=EU, resolution=Resolution.DNS),
        "EGR0202 cluster_selector",
    ),
    case(
        "the entry applies to one more cluster, not yet to all",
        [EAST, WEST, cluster("south"), entry("bank", cluster_selector=selector("east")), fault()],
        entry("bank", cluster_selector=selector("east", "west")),
        "EGR0501 cluster_selector",
    ),
]

TIMEOUTS = [
    case(
        "a delay above the timeout",
        [entry("bank", traffic=TrafficSettings(timeout=1.0))],
        fault(delay=SLOW),
        "EGR0203 delay.fixed_delay",
    ),
    case(
        "a delay as long as the timeout",
        [entry("bank", traffic=TrafficSettings(timeout=3.0))],
        fault(delay=SLOW),
        "EGR0203 delay.fixed_delay",
    ),
    case("a delay below the timeout", [entry("bank", traffic=TrafficSettings(timeout=4.0))], fault(delay=SLOW)),
    case("an abort and a timeout", [entry("bank", traffic=TrafficSettings(timeout=4.0))], fault()),
    case(
        "a timeout below the delay",
        [BANK, fault(delay=SLOW)],
        entry("bank", traffic=TrafficSettings(timeout=1.0)),
        "EGR0203 traffic.timeout",
    ),
    case("a timeout above the delay", [BANK, fault(delay=SLOW)], entry("bank", traffic=TrafficSettings(timeout=4.0))),
    case(
        "on different clusters",
        [entry("a", hosts=BANK.hosts, cluster_selector=US), fault(delay=SLOW, cluster_selector=US)],
        entry("b", hosts=BANK.hosts, cluster_selector=EU, traffic=TrafficSettings(timeout=1.0)),
    ),
]

GRPC = fault(abort=Abort(grpc_status="UNAVAILABLE"))
OTHERS = [
    case(
        "an HTTP entry for a host with a gRPC abort",
        [BANK, GRPC],
        entry("bank", ports=ports("80:HTTP")),
        "EGR0204 ports",
    ),
    case("a GRPC entry for a host with a gRPC abort", [BANK, GRPC], entry("bank", ports=ports("80:GRPC"))),
    case(
        "an entry that a fault's namespace no longer sees",
        [BANK, fault(source_namespace="prod")],
        entry("bank", export_to=(".",)),
        "EGR0205 export_to",
    ),
    case(
        "an entry next to one that the fault's namespace sees",
        [BANK, fault(source_namespace="prod")],
        entry("b", hosts=BANK.hosts, namespace="lab", export_to=(".",)),
    ),
    case("a gRPC abort on HTTP", [BANK], fault(abort=Abort(grpc_status="UNAVAILABLE")), "EGR0204 abort.grpc_status"),
    case(
        "a gRPC abort on gRPC",
        [entry("bank", ports=ports("80:GRPC"))],
        fault(abort=Abort(grpc_status="UNAVAILABLE")),
    ),
    case(
        "a gRPC abort on the HTTP port of two",
        [entry("bank", ports=ports("80:HTTP", "81:GRPC"))],
        fault(abort=Abort(grpc_status="UNAVAILABLE"), ports=(80,)),
        "EGR0204 abort.grpc_status",
    ),
    case(
        "from a namespace that does not see the entry",
        [entry("bank", export_to=(".",))],
        fault(source_namespace="prod"),
        "EGR0205 source_namespace",
    ),
    case("from a namespace that does", [entry("bank", export_to=("prod",))], fault(source_namespace="prod")),
    case("from a namespace without an entry anywhere", [], fault(source_namespace="prod"), NO_ENTRY),
    case(
        "from a namespace that gets the host elsewhere",
        [entry("bank", namespace="tools"), entry("own", namespace="prod", hosts=BANK.hosts)],
        fault(namespace="tools", source_namespace="prod"),
        "EGR0205 source_namespace",
    ),
    case(
        "from another namespace, where a third one has the entry",
        [entry("bank", namespace="tools")],
        fault(source_namespace="prod"),
        "EGR0205 source_namespace",
    ),
    case("from its own namespace", [entry("bank", namespace="tools")], fault(source_namespace="default")),
    case(
        "an entry that the fault's namespace does not see",
        [entry("bank", namespace="tools", export_to=(".",))],
        fault(),
        NO_ENTRY,
    ),
    case(
        "a timeout of an entry whose clients it does not affect",
        [
            BANK,
            entry("own", namespace="prod", hosts=BANK.hosts, export_to=(".",), traffic=TrafficSettings(timeout=1.0)),
        ],
        fault(delay=SLOW),
    ),
]

CASES = [*ON_FAULTS, *ON_ENTRIES, *TIMEOUTS, *OTHERS]
