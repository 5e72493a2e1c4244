"""What a store promises, as short as possible: the oracle of the state machine."""

from collections import Counter
from dataclasses import dataclass, field

from egress_server.domain.model.status import ClusterStatus
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.store import Commit, RequestKey
from tests.contract.benches import RETENTION


@dataclass(frozen=True)
class Version:
    """One change of a resource."""

    revision: int
    previous: int
    created: int
    """The revision at which it was created."""
    commit: Commit


@dataclass
class StoreModel:
    """The state of one mesh. Outcomes of a commit are ("replay", revision), ("reused",), ("stale", head) or
    ("committed", revision)."""

    epoch: str
    seconds: float = 0.0
    versions: list[Version] = field(default_factory=list)
    present: dict[str, Version] = field(default_factory=dict)
    last: Counter[str] = field(default_factory=Counter)
    requests: dict[tuple[str, str, str], tuple[str, int, float]] = field(default_factory=dict)
    leases: dict[str, tuple[str, float]] = field(default_factory=dict)
    fences: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, ClusterStatus] = field(default_factory=dict)
    inventories: dict[str, Inventory] = field(default_factory=dict)
    status_writes: int = 0
    resyncs: Counter[str] = field(default_factory=Counter)

    @property
    def head(self) -> int:
        """The last revision."""
        return len(self.versions)

    def of(self, name: str) -> list[Version]:
        """The changes of a resource, oldest first."""
        return [version for version in self.versions if version.commit.resource.name == name]

    def kept(self, name: str) -> list[Version]:
        """The changes whose version is kept."""
        return self.of(name)[-RETENTION.versions :]

    def replay(self, request: RequestKey) -> tuple[object, ...] | None:
        """The outcome if the request was made before."""
        fingerprint, revision, until = self.requests.get(_id(request), ("", 0, 0.0))
        if until <= self.seconds:
            return None
        return ("replay", revision) if fingerprint == request.fingerprint else ("reused",)

    def commit(self, commit: Commit) -> tuple[object, ...]:
        """The outcome of a commit, which is made if no check fails."""
        if replay := self.replay(commit.request):
            return replay
        if commit.epoch != self.epoch or any(self.last[bucket] > commit.revision for bucket in commit.read):
            return "stale", self.head
        name, revision = commit.resource.name, self.head + 1
        history, current = self.of(name), self.present.pop(name, None)
        previous = history[-1].revision if history else 0
        version = Version(revision, previous, current.created if current else revision, commit)
        self.versions.append(version)
        if not commit.deletes:
            self.present[name] = version
        self.last.update(dict.fromkeys(commit.touch, 0))
        for bucket in commit.touch:
            self.last[bucket] = revision
        until = self.seconds + RETENTION.request_seconds
        self.requests[_id(commit.request)] = commit.request.fingerprint, revision, until
        return "committed", revision

    def owner(self, cluster: str) -> str:
        """Who holds the lease; empty if it is free."""
        owner, until = self.leases.get(cluster, ("", 0.0))
        return owner if until > self.seconds else ""

    def acquire(self, cluster: str, owner: str, ttl: float) -> int | None:
        """The fence, or None while another owner holds the lease."""
        if self.owner(cluster) not in {"", owner}:
            return None
        self.fences[cluster] += not self.owner(cluster)
        self.leases[cluster] = owner, self.seconds + ttl
        return self.fences[cluster]

    def release(self, cluster: str, owner: str) -> None:
        """The lease ends if `owner` holds it."""
        if self.owner(cluster) == owner:
            del self.leases[cluster]

    def put_status(self, statuses: list[ClusterStatus]) -> list[str]:
        """The clusters whose record was refused."""
        refused = [status.cluster for status in statuses if status.fence < self.fences[status.cluster]]
        taken = {status.cluster: status for status in statuses if status.cluster not in refused}
        self.statuses.update(taken)
        self.status_writes += bool(taken)
        return refused


def _id(request: RequestKey) -> tuple[str, str, str]:
    return request.principal, request.method, request.request_id
