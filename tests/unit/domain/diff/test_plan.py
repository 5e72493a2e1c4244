"""What a mutation would change, and where."""

from datetime import UTC, datetime

from egress_server.domain.desired.effective import effective
from egress_server.domain.diff.plan import Action, diff, make_plan
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.objects import key_of
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.render import render
from tests.support.meshes import History, cluster, entry, policy

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def objects(*resources: Resource) -> dict[object, object]:
    """The objects of these resources by key."""
    return {key_of(obj): obj for obj in render(effective(History(cluster(), *resources).snapshot, cluster(), NOW))}


def test_diff() -> None:
    """Each object that is created, changed or deleted is listed with both states, in the order of keys; equal ones are
    not."""
    before = objects(entry("a"), entry("b"), entry("c"))
    after = objects(entry("b", hosts=("new.example.com",)), entry("c"), entry("d"))
    changes = diff(before, after.values())  # type: ignore[arg-type]
    assert [(change.key.name, change.action) for change in changes] == [
        ("a", Action.DELETE),
        ("b", Action.UPDATE),
        ("d", Action.CREATE),
    ]
    assert [(change.before is None, change.after is None) for change in changes] == [
        (False, True),
        (False, False),
        (True, False),
    ]


def test_nothing_to_do() -> None:
    """Equal sets have no difference."""
    assert diff(objects(entry("a")), objects(entry("a")).values()) == ()  # type: ignore[arg-type]


def test_plan_groups_equal_clusters() -> None:
    """Clusters with equal changes share a group; clusters without changes are in none."""
    clusters = [cluster("east"), cluster("north"), cluster("west"), cluster("south")]
    history = History(*clusters, policy("REGISTRY_ONLY", cluster_selector=ClusterSelector(clusters=("west",))))
    before = history.snapshot
    new = policy("REGISTRY_ONLY", cluster_selector=ClusterSelector(clusters=("east", "north", "west")))
    after = before.copy_with(new, deleted=False, like=Versioned(new, 0, NOW, NOW))
    plan = make_plan(before, after, before.clusters(), NOW)
    assert plan.revision == before.revision
    (group,) = plan.groups
    assert group.clusters == ("east", "north")
    assert [change.action for change in group.changes] == [Action.CREATE]


def test_plan_of_different_groups() -> None:
    """Clusters with different changes are in different groups."""
    history = History(
        cluster("east"), cluster("west"), entry("a", cluster_selector=ClusterSelector(clusters=("west",)))
    )
    new = entry("a", hosts=("new.example.com",))
    after = history.snapshot.copy_with(new, deleted=False, like=Versioned(new, 0, NOW, NOW))
    plan = make_plan(history.snapshot, after, history.snapshot.clusters(), NOW)
    assert [(group.clusters, group.changes[0].action) for group in plan.groups] == [
        (("east",), Action.CREATE),
        (("west",), Action.UPDATE),
    ]
