"""Rows for the rules about foreign objects (EGR07xx), and for other rules that take these into account."""

from dataclasses import replace
from typing import Any

from egress_server.domain.model.clusters import Cluster, DirectoryTarget
from egress_server.domain.model.resources import Resolution, Retries, TrafficSettings
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Capabilities, PolicyGap, PolicyGapKind
from tests.support.inventories import AFTER, foreign, inventory, kubernetes, routes, service, sidecar
from tests.support.meshes import entry, fault, interception, policy, ports, selector
from tests.unit.lint.cases import Case, case

EAST, WEST = kubernetes("east"), kubernetes("west", labels={"region": "us"})
BANK = entry("bank", namespace="prod")
MOVED, OLD = entry("moved", ports=ports("80:HTTP:8080")), Capabilities(istio_version="1.21.6")
THEIRS = foreign("bank", namespace="shop")
RETRIED = replace(BANK, traffic=TrafficSettings(retries=Retries(2)))
STRICT = policy("REGISTRY_ONLY")
DB: dict[str, Any] = {"ports": ports("3306:TCP")}
WIDE = "EGR0107 ports[0].number"


def on_east(text: str, new: Any, *finds: str, there: Any = (), cluster: Cluster = EAST, **fields: Any) -> Case:
    """A row on one cluster with these foreign objects."""
    return case(text, [cluster, *there], new, *finds, inventories=[inventory(**fields)])


HOSTS = [
    on_east("the foreign one is older", BANK, "EGR0701 hosts[0]", entries=(THEIRS,)),
    on_east(
        "the foreign one is younger",
        BANK,
        "EGR0701 hosts[0]",
        there=[BANK],
        entries=(replace(THEIRS, create_time=AFTER),),
    ),
    on_east("another host", entry("other", namespace="prod"), entries=(THEIRS,)),
    on_east("it is managed by now", BANK, there=[entry("bank", namespace="shop")], entries=(THEIRS,)),
    on_east("the entry itself, as it was", BANK, entries=(foreign("bank", namespace="prod"),)),
    on_east("it is adopted", BANK, cluster=kubernetes(adopted=("ServiceEntry/shop/bank",)), entries=(THEIRS,)),
    on_east("the entry is for another cluster", replace(BANK, cluster_selector=selector("west")), entries=(THEIRS,)),
    on_east("the entry is for other labels", replace(BANK, cluster_selector=selector(region="us")), entries=(THEIRS,)),
    on_east(
        "the entry is for this cluster",
        replace(BANK, cluster_selector=selector("east", "x")),
        "EGR0701 hosts[0]",
        entries=(THEIRS,),
    ),
    on_east("a cluster that is gone", BANK, cluster=WEST, entries=(THEIRS,)),
    on_east(
        "a Service of the mesh",
        entry("odd", namespace="prod", hosts=("web.shop.svc.cluster.local",)),
        "EGR0701 hosts[0]",
        services=(service(),),
    ),
    on_east(
        "a port in the same namespace",
        BANK,
        "EGR0701 hosts[0]",
        entries=(foreign("x", namespace="prod", hosts=BANK.hosts),),
    ),
    on_east(
        "a younger port in the same namespace",
        BANK,
        "EGR0701 hosts[0]",
        there=[BANK],
        entries=(foreign("x", namespace="prod", hosts=BANK.hosts, born=AFTER),),
    ),
    on_east(
        "other ports in the same namespace",
        BANK,
        "EGR0701 hosts[0]",
        entries=(foreign("x", namespace="prod", hosts=BANK.hosts, ports=ports("8080:HTTP")),),
    ),
    on_east(
        "neither is seen by the other's",
        replace(BANK, export_to=(".",)),
        entries=(foreign("bank", namespace="shop", export_to=(".",)),),
    ),
    on_east(
        "the entry hides ports of the foreign one",
        replace(BANK, export_to=(".",), ports=ports("80:HTTP")),
        "EGR0701 hosts[0]",
        entries=(THEIRS,),
    ),
    on_east("the entry replaces the foreign one, with all ports", replace(BANK, export_to=(".",)), entries=(THEIRS,)),
    on_east(
        "both by name for one that is neither's",
        replace(BANK, export_to=("lab",)),
        "EGR0701 hosts[0]",
        there=[policy("ALLOW_ANY", scope=Scope("lab"))],
        entries=(foreign("bank", namespace="shop", export_to=("lab",)),),
    ),
    on_east(
        "the entry is for one namespace by name, the foreign one for all",
        replace(BANK, export_to=("lab",)),
        there=[policy("ALLOW_ANY", scope=Scope("lab"))],
        entries=(THEIRS,),
    ),
    on_east(
        "the same without all ports of the foreign one",
        replace(BANK, export_to=("lab",), ports=ports("80:HTTP")),
        "EGR0701 hosts[0]",
        there=[policy("ALLOW_ANY", scope=Scope("lab"))],
        entries=(THEIRS,),
    ),
    on_east(
        "a foreign one that no namespace sees",
        BANK,
        entries=(foreign("x", namespace="prod", hosts=BANK.hosts, export_to=("~",)),),
    ),
]

PORTS = [
    on_east(
        "TCP without addresses twice",
        entry("db", resolution=Resolution.DNS, **DB),
        "EGR0106 ports[0].number",
        "EGR0702 ports[0].number",
        entries=(foreign("other", **DB),),
    ),
    on_east(
        "the foreign one has addresses",
        entry("db", **DB),
        "EGR0106 ports[0].number",
        entries=(foreign("other", addresses=("203.0.113.9",), **DB),),
    ),
    on_east(
        "the entry passes everything through, the foreign one does not",
        entry("db", resolution=Resolution.NONE, **DB),
        "EGR0106 ports[0].number",
        "EGR0702 ports[0].number",
        entries=(foreign("other", resolution=Resolution.DNS, **DB),),
    ),
    on_east(
        "both pass all on",
        entry("db", resolution=Resolution.NONE, **DB),
        "EGR0106 ports[0].number",
        entries=(foreign("other", resolution=Resolution.NONE, **DB),),
    ),
    on_east(
        "private to different namespaces",
        entry("db", export_to=(".",), **DB),
        "EGR0106 ports[0].number",
        entries=(foreign("other", namespace="lab", export_to=(".",), **DB),),
    ),
    on_east(
        "TCP on a Service's HTTP port",
        entry("raw", ports=ports("9000:TCP")),
        "EGR0106 ports[0].number",
        "EGR0703 ports[0].protocol",
        services=(service(ports=ports("9000:HTTP")),),
    ),
    on_east(
        "at an address of its own",
        entry("raw", addresses=("203.0.113.9",), ports=ports("9000:TCP")),
        services=(service(ports=ports("9000:HTTP")),),
    ),
    on_east(
        "HTTP on a foreign TLS port",
        entry("web", ports=ports("8443:HTTP")),
        WIDE,
        entries=(foreign("other", ports=ports("8443:TLS")),),
    ),
    on_east(
        "HTTP on a foreign TCP port",
        entry("web", ports=ports("9000:HTTP")),
        WIDE,
        "EGR0703 ports[0].protocol",
        entries=(foreign("other", ports=ports("9000:TCP")),),
    ),
    on_east(
        "HTTP on a foreign HTTP port",
        entry("web", ports=ports("8000:HTTP")),
        services=(service(ports=ports("8000:HTTP")),),
    ),
    on_east(
        "HTTP and TCP of a Service",
        entry("web", ports=ports("8000:HTTP")),
        WIDE,
        services=(service(ports=ports("8000:TCP")),),
    ),
    on_east(
        "private to another namespace",
        entry("raw", export_to=(".",), ports=ports("8443:TLS")),
        entries=(foreign("other", namespace="lab", export_to=(".",), ports=ports("8443:HTTP")),),
    ),
]

HOST = "bank.example.com"
ROUTES = [
    on_east("a fault", fault(), "EGR0704 host", there=[BANK], virtual_services=(routes(HOST),)),
    on_east("retries", RETRIED, "EGR0704 hosts[0]", virtual_services=(routes(HOST, owner=""),)),
    on_east("no traffic settings", BANK, virtual_services=(routes(HOST),)),
    on_east("a foreign wildcard", fault(), there=[BANK], virtual_services=(routes("*.example.com"),)),
    on_east("for gateways only", fault(), there=[BANK], virtual_services=(routes(HOST, mesh=False),)),
    on_east(
        "adopted",
        fault(),
        there=[BANK],
        virtual_services=(routes(HOST),),
        cluster=kubernetes(adopted=("VirtualService/shop/theirs",)),
    ),
    on_east("the fault is older", fault(), there=[BANK, fault()], virtual_services=(routes(HOST, born=AFTER),)),
]

SIDECARS = [
    on_east("left out of egress hosts", BANK, "EGR0705 hosts[0]", sidecars=(sidecar("./*", namespace="shop"),)),
    on_east("among them", BANK, sidecars=(sidecar("./*", "prod/*", namespace="shop"),)),
    on_east("not exported there", replace(BANK, export_to=(".",)), sidecars=(sidecar("./*", namespace="shop"),)),
    on_east("for some workloads only", BANK, sidecars=(sidecar("./*", namespace="shop", match_labels={"a": "b"}),)),
    on_east("the root's", BANK, "EGR0705 hosts[0]", sidecars=(sidecar("./*", namespace="istio-system"),)),
    on_east(
        "on another cluster",
        replace(BANK, cluster_selector=selector("west")),
        sidecars=(sidecar("./*", namespace="shop"),),
    ),
    case(
        "many namespaces",
        [EAST],
        BANK,
        "EGR0705 hosts[0]",
        inventories=[inventory(sidecars=tuple(sidecar("./*", namespace=f"n{n}") for n in range(60)))],
    ),
]

GAP = PolicyGap(PolicyGapKind.NOT_CAPTURED, "Pod", "shop", "web-1", "it has no sidecar")
BLOCKS = "EGR0311 mode"
METADATA = interception(exclude_cidrs=("169.254.169.254/32",))
MODES = [
    on_east("pods gap", STRICT, BLOCKS, "EGR0706 mode", there=[BANK], policy_gaps=(GAP,)),
    on_east("no gaps", STRICT, BLOCKS, there=[BANK]),
    on_east(
        "ALLOW_ANY",
        policy("ALLOW_ANY"),
        there=[BANK, entry("db", addresses=("203.0.113.9",), **DB)],
        policy_gaps=(GAP,),
    ),
    on_east(
        "in the namespace",
        policy("REGISTRY_ONLY", scope=Scope("shop")),
        BLOCKS,
        "EGR0706 mode",
        there=[BANK],
        policy_gaps=(GAP,),
    ),
    on_east(
        "in another namespace", policy("REGISTRY_ONLY", scope=Scope("lab")), BLOCKS, there=[BANK], policy_gaps=(GAP,)
    ),
    on_east(
        "for some workloads",
        policy("REGISTRY_ONLY", scope=Scope("shop", {"a": "b"})),
        BLOCKS,
        there=[BANK],
        policy_gaps=(GAP,),
    ),
    on_east("ambient", STRICT, BLOCKS, "EGR0708 mode", there=[BANK], capabilities=Capabilities(ambient=True)),
    on_east(
        "ambient and ALLOW_ANY",
        policy("ALLOW_ANY"),
        there=[BANK, entry("db", addresses=("203.0.113.9",), **DB)],
        capabilities=Capabilities(ambient=True),
    ),
    on_east("a foreign entry is visible", STRICT, BLOCKS, entries=(THEIRS,)),
    on_east("Services alone do not count as external services", STRICT, "EGR0302 mode", BLOCKS, services=(service(),)),
    on_east("REGISTRY_ONLY and the metadata service excluded", STRICT, there=[BANK, METADATA]),
    on_east(
        "REGISTRY_ONLY in a namespace that excludes the metadata service",
        policy("REGISTRY_ONLY", scope=Scope("shop")),
        there=[BANK, replace(METADATA, scope=Scope("shop"))],
    ),
    on_east("REGISTRY_ONLY again", STRICT, there=[BANK, STRICT]),
    on_east("REGISTRY_ONLY after ALLOW_ANY", STRICT, BLOCKS, there=[BANK, policy("ALLOW_ANY")]),
]

WILD = entry("wild", hosts=("*.example.com",), resolution=Resolution.DYNAMIC_DNS, ports=ports("80:HTTP"))
VERSIONS = [
    on_east("an older Istio", WILD, "EGR0707 resolution", capabilities=Capabilities(istio_version="1.28.3")),
    on_east("a new one", WILD, capabilities=Capabilities(istio_version="1.31.0")),
    on_east("an unknown version", WILD),
    on_east("another resolution", entry("plain"), capabilities=Capabilities(istio_version="1.28.3")),
    on_east("an Istio without target ports", MOVED, "EGR0741 ports[0].target_port", capabilities=OLD),
    on_east("one that has them", MOVED, capabilities=Capabilities(istio_version="1.22.0")),
    on_east("at addresses of its own", replace(MOVED, resolution=Resolution.DNS), capabilities=OLD),
    on_east("the port that was dialled", replace(MOVED, ports=ports("80:HTTP:80")), capabilities=OLD),
]

STALE = "EGR0709 scope"
BUSY: dict[str, Any] = {"workloads": {"shop": 3, "lab": 2}}
RESTARTS = [
    on_east("the whole mesh", interception(), STALE, **BUSY),
    on_east("a namespace", interception(scope=Scope("shop")), STALE, **BUSY),
    on_east("some of its workloads", interception(scope=Scope("shop", {"a": "b"})), STALE, **BUSY),
    on_east("an empty namespace", interception(scope=Scope("prod")), **BUSY),
]


def in_folder(id_: str, path: str = "", **fields: Any) -> Cluster:
    """A directory cluster."""
    return Cluster(f"meshes/default/clusters/{id_}", DirectoryTarget(path), **fields)


SHARED = "EGR0502 directory.path"
FOLDERS = [
    case("one path twice", [in_folder("a", "prod")], in_folder("b", "prod"), SHARED),
    case("the id of one is the path of another", [in_folder("a")], in_folder("b", "a"), SHARED),
    case("paths of their own", [in_folder("a", "x"), in_folder("c")], in_folder("b", "y")),
    case("the cluster itself again", [in_folder("a", "x")], in_folder("a", "x", labels={"k": "v"})),
    case("another kind of cluster", [in_folder("a", "x"), kubernetes("x")], kubernetes("y")),
]

EVERYTHING_OUT = interception(exclude_cidrs=("10.0.0.0/8",))
KNOWING = [
    on_east("discovered ranges are covered", EVERYTHING_OUT, "EGR0401 exclude_cidrs", service_cidrs=("10.96.0.0/12",)),
    on_east(
        "ranges that were found are forgotten",
        interception(include_cidrs=("203.0.113.0/24",)),
        "EGR0402 include_cidrs",
        service_cidrs=("10.96.0.0/12",),
    ),
    on_east("ranges that were found", interception(include_service_cidrs=True), service_cidrs=("10.96.0.0/12",)),
    on_east("no ranges were discovered", interception(include_service_cidrs=True), "EGR0403 include_service_cidrs"),
    case("no ranges were discovered yet", [EAST], interception(include_service_cidrs=True)),
    on_east("a fault on a Service", fault(host="web.shop.svc.cluster.local"), services=(service(),)),
    on_east("a fault on a foreign entry", fault(), entries=(THEIRS,)),
    case(
        "a fault on what only one cluster has",
        [EAST, WEST],
        fault(),
        "EGR0202 host",
        inventories=[inventory(entries=(THEIRS,))],
    ),
    on_east("exported to a namespace that is there", entry("a", export_to=("lab",)), namespaces=("default", "lab")),
    on_east(
        "exported to one of two that is there",
        entry("a", export_to=("lba", "lab")),
        "EGR0120 export_to[0]",
        namespaces=("default", "lab"),
    ),
    on_east(
        "exported to itself and to one that is not there",
        entry("a", export_to=(".", "x")),
        "EGR0120 export_to[1]",
        namespaces=("default", "lab"),
    ),
    on_east(
        "exported to one that a policy names",
        entry("a", export_to=(".", "x")),
        there=[policy("ALLOW_ANY", scope=Scope("x"))],
        namespaces=("default", "lab"),
    ),
    on_east(
        "exported to one that an unreported cluster may have",
        entry("a", export_to=(".", "x")),
        there=[WEST],
        namespaces=("default", "lab"),
    ),
    on_east(
        "exported to one that no cluster of the entry has",
        entry("a", export_to=(".", "x"), cluster_selector=selector("east")),
        "EGR0120 export_to[1]",
        there=[WEST],
        namespaces=("default", "lab"),
    ),
    on_east("exported before namespaces are known", entry("a", export_to=(".", "x"))),
]

CASES = [*HOSTS, *PORTS, *ROUTES, *SIDECARS, *MODES, *VERSIONS, *RESTARTS, *FOLDERS, *KNOWING]
