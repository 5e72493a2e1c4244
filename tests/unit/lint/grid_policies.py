"""Rows for the rules of outbound policies (EGR03xx), interceptions (EGR04xx), and cluster selectors (EGR05xx)."""

from dataclasses import replace
from typing import Any

from egress_server.domain.model.clusters import Cluster, LocalTarget
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import Scope
from tests.support.inventories import inventory
from tests.support.meshes import cluster, entry, fault, interception, policy, ports, selector
from tests.unit.lint.cases import Case, case

EU, TIER = selector(region="eu"), selector(tier="1")
PROD = Scope("prod")
RANK = "EGR0301 cluster_selector"
ALONE = "EGR0302 mode"
DATABASES = "EGR0303 mode"
WIDER = "EGR0501 cluster_selector"
ALLOW, STRICT = policy("ALLOW_ANY"), policy("REGISTRY_ONLY")
DB = entry("db", ports=ports("3306:TCP"), addresses=("203.0.113.5",))


def served(id_: str = "east", *cidrs: str, **labels: str) -> Cluster:
    """A cluster whose service ranges are known."""
    return replace(cluster(id_, **labels), target=LocalTarget(cidrs or ("10.96.0.0/12",)))


RANKS = [
    case("two for the mesh on all clusters", [DB, STRICT], policy("ALLOW_ANY", "b"), RANK),
    case("the policy itself again", [DB, STRICT], STRICT),
    case("for two scopes", [DB, STRICT], policy("REGISTRY_ONLY", "b", scope=PROD)),
    case(
        "for workloads and their namespace",
        [DB, policy("REGISTRY_ONLY", scope=PROD)],
        policy("REGISTRY_ONLY", "b", scope=Scope("prod", {"app": "x"})),
    ),
    case("labels beat all", [DB, STRICT], policy("REGISTRY_ONLY", "b", cluster_selector=EU)),
    case(
        "names beat labels",
        [DB, policy("REGISTRY_ONLY", cluster_selector=EU)],
        policy("REGISTRY_ONLY", "b", cluster_selector=selector("east")),
    ),
    case(
        "a cluster named twice",
        [DB, policy("REGISTRY_ONLY", cluster_selector=selector("east", "west"))],
        policy("REGISTRY_ONLY", "b", cluster_selector=selector("west")),
        RANK,
    ),
    case(
        "different clusters named",
        [DB, policy("REGISTRY_ONLY", cluster_selector=selector("east"))],
        policy("REGISTRY_ONLY", "b", cluster_selector=selector("west")),
    ),
    case(
        "the same labels",
        [DB, policy("REGISTRY_ONLY", cluster_selector=EU)],
        policy("REGISTRY_ONLY", "b", cluster_selector=EU),
        RANK,
    ),
    case(
        "labels within labels",
        [DB, policy("REGISTRY_ONLY", cluster_selector=EU)],
        policy("REGISTRY_ONLY", "b", cluster_selector=selector(region="eu", tier="1")),
        RANK,
    ),
    case(
        "labels that no cluster has together",
        [cluster("a", region="eu"), cluster("b", tier="1"), DB, policy("REGISTRY_ONLY", cluster_selector=EU)],
        policy("REGISTRY_ONLY", "b", cluster_selector=TIER),
    ),
    case(
        "labels that one cluster has together",
        [cluster("a", region="eu", tier="1"), DB, policy("REGISTRY_ONLY", cluster_selector=EU)],
        policy("REGISTRY_ONLY", "b", cluster_selector=TIER),
        RANK,
    ),
    case("two interceptions", [interception()], interception("b"), RANK),
    case("an interception and a policy", [STRICT], interception()),
]

MODES = [
    case("REGISTRY_ONLY without an entry", [], STRICT, ALONE),
    case("REGISTRY_ONLY with one", [entry()], STRICT),
    case(
        "REGISTRY_ONLY for a namespace that sees none",
        [entry(export_to=(".",))],
        policy("REGISTRY_ONLY", scope=PROD),
        ALONE,
    ),
    case("for one that sees its own", [entry(namespace="prod", export_to=(".",))], policy("REGISTRY_ONLY", scope=PROD)),
    case("for one that others export to", [entry(export_to=("prod",))], policy("REGISTRY_ONLY", scope=PROD)),
    case(
        "where entries are on other clusters",
        [entry(cluster_selector=selector("west"))],
        policy("REGISTRY_ONLY", cluster_selector=selector("east")),
        ALONE,
    ),
    case("ALLOW_ANY without a database", [entry()], ALLOW, DATABASES),
    case("ALLOW_ANY with one", [DB], ALLOW),
    case(
        "ALLOW_ANY for a namespace that does not see it",
        [replace(DB, export_to=(".",))],
        policy("ALLOW_ANY", scope=PROD),
        DATABASES,
    ),
]

EXCLUDED, INCLUDED, UNKNOWN = "EGR0401 exclude_cidrs", "EGR0402 include_cidrs", "EGR0403 include_service_cidrs"

INTERCEPTIONS = [
    case("everything, as by default", [served()], interception()),
    case("the document's: the service ranges", [served()], interception(include_service_cidrs=True)),
    case("the service ranges, spelled out", [served()], interception(include_cidrs=("10.96.0.0/12",))),
    case("all but a partner's range", [served()], interception(exclude_cidrs=("203.0.113.0/24",))),
    case("none, as asked for", [served()], interception(none=True, exclude_cidrs=("0.0.0.0/0",))),
    case("exclude everything", [], interception(exclude_cidrs=("0.0.0.0/0",)), EXCLUDED),
    case("exclude everything in halves", [], interception(exclude_cidrs=("0.0.0.0/1", "128.0.0.0/1")), EXCLUDED),
    case("exclude all of IPv6", [], interception(exclude_cidrs=("::/0",))),
    case(
        "exclude what is included",
        [],
        interception(include_cidrs=("203.0.113.0/24", "10.1.0.0/16"), exclude_cidrs=("10.0.0.0/8", "203.0.113.0/24")),
        EXCLUDED,
    ),
    case(
        "exclude a part of what is included",
        [],
        interception(include_cidrs=("203.0.113.0/24", "10.1.0.0/16"), exclude_cidrs=("10.0.0.0/8",)),
    ),
    case(
        "exclude IPv6 ranges, all that is included",
        [],
        interception(include_cidrs=("2001:db8::/32",), exclude_cidrs=("2001::/16",)),
        EXCLUDED,
    ),
    case("exclude the mesh", [served()], interception(exclude_cidrs=("10.0.0.0/8",)), EXCLUDED),
    case(
        "exclude the service ranges that are included",
        [served()],
        interception(include_service_cidrs=True, exclude_cidrs=("10.0.0.0/8",)),
        EXCLUDED,
    ),
    case(
        "exclude one of two service ranges",
        [served("east", "10.96.0.0/12", "172.20.0.0/16")],
        interception(exclude_cidrs=("10.0.0.0/8",)),
    ),
    case("include a partner's range only", [served()], interception(include_cidrs=("203.0.113.0/24",)), INCLUDED),
    case("include half of the service range", [served()], interception(include_cidrs=("10.96.0.0/13",)), INCLUDED),
    case("include two halves of it", [served()], interception(include_cidrs=("10.96.0.0/13", "10.104.0.0/13"))),
    case(
        "include a range next to the services",
        [served()],
        interception(include_cidrs=("203.0.113.0/24",), include_service_cidrs=True),
    ),
    case(
        "forgotten on another cluster",
        [served("west")],
        interception(include_cidrs=("203.0.113.0/24",), cluster_selector=selector("east")),
    ),
    case("no service ranges known", [cluster()], interception(include_cidrs=("203.0.113.0/24",))),
    case("service ranges that are not known", [cluster()], interception(include_service_cidrs=True), UNKNOWN),
    case(
        "the same with other ranges",
        [served(), cluster("west")],
        interception(include_cidrs=("203.0.113.0/24",), include_service_cidrs=True),
        UNKNOWN,
    ),
]

CANARY: dict[str, Any] = {"cluster_selector": selector("east")}

REPLACED = [
    case("the selector is left out", [entry(**CANARY)], entry(), WIDER),
    case("a cluster is added", [entry(**CANARY)], entry(cluster_selector=selector("east", "west")), WIDER),
    case("the same again", [entry(**CANARY)], entry(**CANARY)),
    case("fewer clusters", [entry()], entry(**CANARY)),
    case("another cluster", [entry(**CANARY)], entry(cluster_selector=selector("west"))),
    case("fewer labels", [entry(cluster_selector=selector(region="eu", tier="1"))], entry(cluster_selector=EU), WIDER),
    case(
        "from a name to a label that it has", [cluster(region="eu"), entry(**CANARY)], entry(cluster_selector=EU), WIDER
    ),
    case("from a name to a label that it does not have", [cluster(), entry(**CANARY)], entry(cluster_selector=EU)),
    case("a policy as well", [DB, policy("ALLOW_ANY", **CANARY)], ALLOW, WIDER),
    case("a fault as well", [entry(), fault(**CANARY)], fault(), WIDER),
    case("an interception as well", [interception(**CANARY)], interception(), WIDER),
    case("what is new widens nothing", [], entry()),
    case("a mesh has no clusters to select", [], cluster()),
]

EAST, WEST = cluster("east", region="eu"), cluster("west")
SEEN = entry("bank")
NAMED, LABELS = "EGR0503 cluster_selector.clusters", "EGR0504 cluster_selector.match_labels"
NAMESPACES = ("default", "lab")


def selecting(text: str, new: Resource, *finds: str) -> Case:
    """A row on a mesh with two clusters."""
    return case(text, [EAST, WEST, SEEN], new, *finds, only_there=True)


def reported(text: str, new: Resource, *finds: str, more: tuple[Resource, ...] = (), **fields: Any) -> Case:
    """A row on a mesh with a cluster that has reported its namespaces."""
    known = inventory("east", **{"namespaces": NAMESPACES, **fields})
    return case(text, [EAST, SEEN, *more], new, *finds, inventories=[known])


CLUSTERS = [
    selecting("names of registered clusters", entry("a", cluster_selector=selector("east", "west"))),
    selecting(
        "names of which one is not registered", entry("a", cluster_selector=selector("east", "wset")), f"{NAMED}[1]"
    ),
    selecting("a name that is not registered", entry("a", cluster_selector=selector("wset")), f"{NAMED}[0]"),
    selecting(
        "a policy for no registered cluster",
        policy("REGISTRY_ONLY", cluster_selector=selector("x", "y")),
        f"{NAMED}[0]",
        f"{NAMED}[1]",
    ),
    selecting("an interception for no registered cluster", interception(cluster_selector=selector("x")), f"{NAMED}[0]"),
    case(
        "a fault for no registered cluster",
        [EAST, SEEN],
        fault(cluster_selector=selector("x")),
        f"{NAMED}[0]",
        only_there=True,
    ),
    selecting("labels of a registered cluster", entry("a", cluster_selector=selector(region="eu"))),
    selecting("labels of no registered cluster", entry("a", cluster_selector=selector(region="us")), LABELS),
    selecting("labels of which one fits", entry("a", cluster_selector=selector(region="eu", tier="1")), LABELS),
    selecting("all clusters", entry("a")),
    case("all clusters before one is registered", [], entry("a"), only_there=True),
    case(
        "labels before a cluster is registered",
        [],
        entry("a", cluster_selector=selector(a="b")),
        LABELS,
        only_there=True,
    ),
]
SCOPES = [
    reported("an entry in a namespace that exists", entry("a", namespace="lab")),
    reported("an entry in a namespace that does not exist", entry("a", namespace="lba"), "EGR0505 name"),
    reported(
        "a policy for a namespace that does not exist",
        policy("REGISTRY_ONLY", scope=Scope("lba")),
        "EGR0505 scope.namespace",
    ),
    reported("a policy for the mesh", policy("REGISTRY_ONLY")),
    reported(
        "an interception of a namespace that does not exist",
        interception(scope=Scope("lba")),
        "EGR0505 scope.namespace",
    ),
    reported(
        "a fault on requests of a namespace that does not exist",
        fault(source_namespace="lba"),
        "EGR0505 source_namespace",
    ),
    reported("a namespace that a silent cluster may have", policy("REGISTRY_ONLY", scope=Scope("lba")), more=(WEST,)),
    reported("namespaces that are not reported", policy("REGISTRY_ONLY", scope=Scope("lba")), namespaces=()),
]

CASES = [*RANKS, *MODES, *INTERCEPTIONS, *REPLACED, *CLUSTERS, *SCOPES]
