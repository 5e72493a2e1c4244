"""Desired state in memory, and its indexes."""

from datetime import UTC, datetime

from egress_server.domain.desired.snapshot import Snapshot, Update, buckets_of
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import OutboundPolicy, ServiceEntry
from egress_server.domain.model.selectors import ClusterSelector, Scope
from tests.support.meshes import MESH, History, cluster, entry, policy

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def test_buckets() -> None:
    """A change touches its own key, and the buckets through which blocking rules read it."""
    bank = entry("bank", hosts=("a.example.com", "b.example.com"))
    assert buckets_of(bank) == {f"key/{bank.name}", "host/a.example.com", "host/b.example.com"}
    scoped = policy("ALLOW_ANY", scope=Scope("lab", {"b": "2", "a": "1"}))
    assert buckets_of(scoped) == {f"key/{scoped.name}", "scope/outboundPolicies/lab/a=1,b=2"}
    assert buckets_of(cluster()) == {f"key/{cluster().name}", "clusters"}
    assert buckets_of(MESH) == {f"key/{MESH.name}"}


def test_names_stay_sorted() -> None:
    """Names are sorted, through creations, updates and deletions."""
    history = History(entry("b"), entry("d"))
    assert [name[-1] for name in history.snapshot.names(ResourceKind.SERVICE_ENTRY)] == ["b", "d"]
    history.set(entry("a"))
    history.set(entry("d", hosts=("new.example.com",)))
    history.delete(entry("b"))
    assert [name[-1] for name in history.snapshot.names(ResourceKind.SERVICE_ENTRY)] == ["a", "d"]


def test_host_index_follows() -> None:
    """An entry is found by its current hosts, and no longer by former ones."""
    history = History(entry("bank", hosts=("a.example.com", "b.example.com")))
    history.set(entry("bank", hosts=("b.example.com", "c.example.com")))
    found = {host: list(history.snapshot.entries_with_host(f"{host}.example.com")) for host in "abc"}
    name = entry("bank").name
    assert found == {"a": [], "b": [name], "c": [name]}
    history.delete(entry("bank"))
    assert history.snapshot.entries_with_host("c.example.com") == {}


def test_clusters() -> None:
    """Clusters by id and by selector."""
    snapshot = History(cluster("west"), cluster("east", region="eu")).snapshot
    assert [each.id for each in snapshot.clusters()] == ["east", "west"]
    assert [each.id for each in snapshot.clusters(ClusterSelector(match_labels={"region": "eu"}))] == ["east"]
    assert snapshot.cluster("west") == cluster("west")
    assert snapshot.cluster("north") is None


def test_old_updates_are_skipped() -> None:
    """The same update twice, or an older one, changes nothing, because streams repeat entries."""
    history = History(entry("bank"))
    snapshot = history.snapshot
    revision = history.set(entry("bank", hosts=("new.example.com",)))
    snapshot.apply(Update(revision, Versioned(entry("bank"), revision, NOW, NOW)))
    held = snapshot.get(entry("bank").name)
    assert held is not None
    assert isinstance(held.resource, ServiceEntry)
    assert held.resource.hosts == ("new.example.com",)


def test_deleting_what_is_not_there() -> None:
    """Deleting something unknown only advances the revision."""
    history = History()
    revision = history.snapshot.revision + 1
    history.snapshot.apply(Update(revision, Versioned(entry("bank"), revision, NOW, NOW, deleted=True)))
    assert history.snapshot.revision == revision
    assert history.snapshot.get(entry("bank").name) is None


def test_copy_leaves_the_original() -> None:
    """A plan's copy contains the mutation; the snapshot does not."""
    history = History(policy("ALLOW_ANY"))
    new = policy("REGISTRY_ONLY")
    copy = history.snapshot.copy_with(new, deleted=False, like=Versioned(new, 0, NOW, NOW))
    gone = history.snapshot.copy_with(new, deleted=True, like=Versioned(new, 0, NOW, NOW))
    assert modes(copy) == ["REGISTRY_ONLY"]
    assert modes(gone) == []
    assert modes(history.snapshot) == ["ALLOW_ANY"]
    assert copy.revision == history.snapshot.revision + 1


def modes(snapshot: Snapshot) -> list[str]:
    """The modes of all policies."""
    policies = (versioned.resource for versioned in snapshot.of_kind(ResourceKind.OUTBOUND_POLICY).values())
    return [each.mode.value for each in policies if isinstance(each, OutboundPolicy)]
