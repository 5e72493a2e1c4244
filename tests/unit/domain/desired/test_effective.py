"""Which policies take effect on a cluster."""

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.resources import OutboundPolicy
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.domain.simulate.outbound_mode import effective_mode
from tests.support.meshes import BIRTH, History, cluster, entry, policy

EAST = cluster("east", region="eu")
HERE = ClusterSelector(clusters=("east",))
EU = ClusterSelector(match_labels={"region": "eu"})
ELSEWHERE = ClusterSelector(match_labels={"region": "us"})


@pytest.mark.parametrize(
    ("policies", "winner"),
    [
        ([policy("ALLOW_ANY", "all"), policy("REGISTRY_ONLY", "some", cluster_selector=EU)], "some"),
        ([policy("REGISTRY_ONLY", "some", cluster_selector=EU), policy("ALLOW_ANY", "all")], "some"),
        (
            [
                policy("ALLOW_ANY", "one", cluster_selector=HERE),
                policy("REGISTRY_ONLY", "some", cluster_selector=EU),
            ],
            "one",
        ),
        ([policy("ALLOW_ANY", "z-old"), policy("REGISTRY_ONLY", "a-new")], "z-old"),
        ([policy("ALLOW_ANY", "all"), policy("REGISTRY_ONLY", "not-here", cluster_selector=ELSEWHERE)], "all"),
    ],
    ids=["labels beat all", "whatever the order", "named beats labels", "older beats newer", "not selected"],
)
def test_one_policy_a_scope(policies: list[OutboundPolicy], winner: str) -> None:
    """Of the policies for one scope the one with the closest selector wins; of equals the oldest."""
    snapshot = History(EAST, *policies).snapshot
    (held,) = effective(snapshot, EAST, BIRTH).outbound.values()
    assert held.name.endswith(f"/{winner}")


def test_scopes_stand_side_by_side() -> None:
    """Policies of different scopes don't displace each other; the closest to a workload applies."""
    labels = {"app": "crawler", "tier": "batch"}
    mesh = policy("REGISTRY_ONLY", "mesh")
    lab = policy("ALLOW_ANY", "lab", scope=Scope("lab"))
    crawler = policy("ALLOW_ANY", "crawler", scope=Scope("prod", {"app": "crawler"}))
    held = effective(History(EAST, mesh, lab, crawler).snapshot, EAST, BIRTH)
    assert len(held.outbound) == 3
    assert effective_mode(held, "prod").policy == mesh
    assert effective_mode(held, "prod", {"app": "web"}).policy == mesh
    assert effective_mode(held, "prod", labels).policy == crawler
    assert effective_mode(held, "lab", labels).policy == lab
    assert effective_mode(effective(History(EAST).snapshot, EAST, BIRTH), "lab").policy is None


def test_entries_of_the_cluster_with_their_revisions_and_births() -> None:
    """Entries for other clusters are left out; a change updates an entry's revision, but not its create time."""
    history = History(EAST, entry("bank"), entry("shop", cluster_selector=ELSEWHERE))
    before = effective(history.snapshot, EAST, BIRTH)
    revision = history.set(entry("bank", hosts=("new.example.com",)))
    after = effective(history.snapshot, EAST, BIRTH)
    name = entry("bank").name
    assert [held.name for held in after.entries] == [name]
    assert (after.revision, after.revisions) == (revision, {name: revision})
    assert after.create_times == before.create_times


def test_deleted_policy_gives_way() -> None:
    """If the highest-ranked policy is deleted, the next one applies."""
    strong = policy("ALLOW_ANY", "one", cluster_selector=HERE)
    history = History(EAST, policy("REGISTRY_ONLY", "all"), strong)
    history.delete(strong)
    assert effective_mode(effective(history.snapshot, EAST, BIRTH), "default").policy == policy("REGISTRY_ONLY", "all")
