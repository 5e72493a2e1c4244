"""Rows for the rules about the clusters and namespaces that a resource selects (EGR0503 to EGR0505)."""

from typing import Any

from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import Scope
from tests.support.inventories import inventory
from tests.support.meshes import cluster, entry, fault, interception, policy, selector
from tests.unit.lint.cases import Case, case

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
CASES = [*CLUSTERS, *SCOPES]
