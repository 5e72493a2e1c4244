"""Validation of meshes and clusters, and the immutable fields of resources."""

import pytest

from egress_server.domain.model.clusters import Cluster, DirectoryTarget, LocalTarget, Mesh
from egress_server.domain.model.resources import Interception, OutboundMode, OutboundPolicy, Resource
from egress_server.domain.model.selectors import Scope
from egress_server.domain.validate import Problems, check_resource
from egress_server.domain.validate.resources import check_immutable
from tests.support.inventories import kubernetes
from tests.support.violations import violations_of

EAST = "meshes/default/clusters/east"


def directory(path: str, *cidrs: str) -> Cluster:
    """A directory cluster."""
    return Cluster(EAST, DirectoryTarget(path, cidrs))


def problems_of(resource: Resource) -> list[tuple[str, str]]:
    """Field and description of all problems."""
    problems = Problems()
    check_resource(resource, problems)
    return violations_of(problems.raise_if_any)


@pytest.mark.parametrize(
    "resource",
    [
        Mesh("meshes/default"),
        Mesh("meshes/default", "Zahlungen äöü", {"team": "net"}),
        Cluster(EAST, LocalTarget(("10.96.0.0/12", "fd00:10::/108")), {"env": "prod"}),
        directory(""),
        directory("prod/eu_west-1/v1.2", "10.96.0.0/12"),
    ],
)
def test_right(resource: Resource) -> None:
    """Valid resources have no problems."""
    assert problems_of(resource) == []


@pytest.mark.parametrize(
    ("resource", "path", "text"),
    [
        (Mesh("meshes/default", "x" * 64), "display_name", "63"),
        (Mesh("meshes/default", "a\nb"), "display_name", "printable"),
        (Mesh("meshes/default", "", {"a b": ""}), 'labels["a b"]', "label key"),
        (Cluster(EAST, LocalTarget(), {"env": "a b"}), 'labels["env"]', "value"),
        (Cluster(EAST, LocalTarget(("10.96.0.1/12",))), "local.service_cidrs[0]", "written 10.96.0.0/12"),
        (directory("", "10.96.0.1"), "directory.service_cidrs[0]", "write 10.96.0.1/32"),
        *(
            (directory(path), "directory.path", "relative path")
            for path in ("/etc", "..", "a/../b", "a//b", "a/", "./a")
        ),
        *((directory(path), "directory.path", "relative path") for path in ("a/.git", "-a", "a b", "a\\b", "ä", "a\n")),
        (directory("x" * 256), "directory.path", "255"),
    ],
)
def test_wrong(resource: Resource, path: str, text: str) -> None:
    """There is one problem, at the right field."""
    found = problems_of(resource)
    assert [field for field, _ in found] == [path]
    assert text in found[0][1]


POLICY = OutboundPolicy("meshes/default/outboundPolicies/p", OutboundMode.ALLOW_ANY, Scope("prod"))
CAPTURE = Interception("meshes/default/interceptions/i", Scope("prod"))


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (POLICY, OutboundPolicy(POLICY.name, OutboundMode.REGISTRY_ONLY, Scope("prod")), None),
        (POLICY, OutboundPolicy(POLICY.name, OutboundMode.ALLOW_ANY, Scope("shop")), "outbound_policy.scope"),
        (CAPTURE, Interception(CAPTURE.name, Scope("prod"), ("10.0.0.0/8",)), None),
        (CAPTURE, Interception(CAPTURE.name), "interception.scope"),
        (Cluster(EAST, LocalTarget()), Cluster(EAST, LocalTarget(("10.0.0.0/8",)), {"env": "prod"}), None),
        (Cluster(EAST, LocalTarget()), directory(""), "cluster.target"),
        (kubernetes(), directory(""), "cluster.target"),
        (kubernetes(), kubernetes(context="c1"), None),
        (kubernetes(), kubernetes(root_namespace="istio"), "cluster.kubernetes.root_namespace"),
        (directory(""), directory("east"), None),
        (directory(""), directory("west"), "cluster.directory.path"),
    ],
)
def test_what_never_changes(before: Resource, after: Resource, path: str | None) -> None:
    """Scopes of policies, and the kind and location of a cluster's target."""
    assert [field for field, _ in violations_of(lambda: check_immutable(before, after))] == ([path] if path else [])
