"""Validation of labels, scopes and cluster selectors, and how problems are collected."""

import pytest

from egress_server.domain.model.clusters import Cluster, Mesh
from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.resources import OutboundPolicy
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.validate import Problems, check_resource
from tests.support.meshes import MESH, cluster, policy
from tests.support.violations import violations_of

Selected = OutboundPolicy | Cluster | Mesh


def problems_of(resource: Selected) -> list[tuple[str, str]]:
    """Field and description of all problems."""
    problems = Problems("here")
    check_resource(resource, problems)
    return violations_of(problems.raise_if_any)


@pytest.mark.parametrize(
    "resource",
    [
        MESH,
        cluster(),
        cluster(env="prod", empty="", **{"example.com/app": "A_b.c-1", "0": "0"}),
        cluster(**{f"k{i}": "v" for i in range(64)}),
        cluster(**{f"{'a' * 63}.{'b' * 63}/{'c' * 63}": "d" * 63}),
        policy("ALLOW_ANY"),
        policy("REGISTRY_ONLY", scope=Scope("prod")),
        policy("REGISTRY_ONLY", scope=Scope("prod", {"app": "x"})),
        policy("ALLOW_ANY", cluster_selector=ClusterSelector(tuple(f"c{i}" for i in range(1000)))),
    ],
)
def test_good_ones_are_taken(resource: Selected) -> None:
    """Valid ones have no problems."""
    assert problems_of(resource) == []


@pytest.mark.parametrize(
    ("resource", "field", "said"),
    [
        (cluster(**{f"k{i}": "v" for i in range(65)}), "here.labels", "has 65 labels; at most 64"),
        (cluster(**{"": "v"}), 'here.labels[""]', "the key must be"),
        (cluster(**{"a/": "v"}), 'here.labels["a/"]', "the key must be"),
        (cluster(**{"/a": "v"}), 'here.labels["/a"]', "the key must be"),
        (cluster(**{"A.b/c": "v"}), 'here.labels["A.b/c"]', "the key must be"),
        (cluster(**{"-a": "v"}), 'here.labels["-a"]', "the key must be"),
        (cluster(**{"a" * 64: "v"}), f'here.labels["{"a" * 64}"]', "the key must be"),
        (cluster(a="v" * 64), 'here.labels["a"]', "the value must be at most 63"),
        (cluster(a="v "), 'here.labels["a"]', "the value must be"),
        (cluster(a="v\n"), 'here.labels["a"]', "the value must be"),
        (cluster(a="*"), 'here.labels["a"]', "the value must be"),
        (policy("ALLOW_ANY", scope=Scope("istio-system")), "here.scope.namespace", "whole mesh"),
        (policy("ALLOW_ANY", scope=Scope("Prod")), "here.scope.namespace", "must be a namespace"),
        (policy("ALLOW_ANY", scope=Scope("a" * 64)), "here.scope.namespace", "must be a namespace"),
        (policy("ALLOW_ANY", scope=Scope("", {"app": "x"})), "here.scope.match_labels", "requires a namespace"),
        (
            policy("ALLOW_ANY", scope=Scope("prod", {"a": "*"})),
            'here.scope.match_labels["a"]',
            "the value must be",
        ),
        (
            policy("ALLOW_ANY", cluster_selector=ClusterSelector(("a",), {"b": "c"})),
            "here.cluster_selector",
            "may be set",
        ),
        (
            policy("ALLOW_ANY", cluster_selector=ClusterSelector(("",))),
            "here.cluster_selector.clusters[0]",
            "must be a cluster id",
        ),
        (
            policy("ALLOW_ANY", cluster_selector=ClusterSelector(tuple(f"c{i}" for i in range(1001)))),
            "here.cluster_selector.clusters",
            "at most 1000",
        ),
    ],
)
def test_bad_ones_are_refused_with_their_place(resource: Selected, field: str, said: str) -> None:
    """There is exactly one problem, at the right field."""
    found = problems_of(resource)
    assert [where for where, _ in found] == [field]
    assert said in found[0][1]


def test_nothing_wrong_raises_nothing() -> None:
    """Without problems nothing is raised."""
    Problems().raise_if_any()


def test_places_share_one_list() -> None:
    """A problem added at a deeper path is raised by the top; the message quotes the first and counts the rest."""
    problems = Problems()
    problems.at("a", 0, "b").add("is wrong")
    problems.at("c").key("k").add("is wrong too")
    assert problems.any
    with pytest.raises(InvalidArgument, match=r"^a\[0\]\.b: is wrong \(and 1 more\)$") as caught:
        problems.raise_if_any()
    assert [v.field for v in caught.value.violations] == ["a[0].b", 'c["k"]']
    assert caught.value.reason == "INVALID_FIELD"


def test_any_key_has_a_place() -> None:
    """Even an empty one, and one that looks like a position."""
    problems = Problems("a")
    for step in ("", "b", "[0]"):
        problems.at(step).add("x")
    assert [field for field, _ in violations_of(problems.raise_if_any)] == ["a.", "a.b", "a[0]"]
