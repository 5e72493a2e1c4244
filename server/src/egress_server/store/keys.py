"""The Redis keys of a mesh. All of them share one hash tag, so that one script may use them in a Redis Cluster."""

from dataclasses import dataclass, field
from hashlib import sha256

from egress_server.ports.store import RequestKey


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept."""

    versions: int = 50
    """Versions of each resource; after its deletion they are kept for `changes_days`."""
    changes_days: int = 30
    """Days that changes (audit records) are kept; unsealed ones are never deleted."""
    request_seconds: int = 3600
    """Seconds during which a repeated request id returns the first outcome."""
    log_entries: int = 10_000
    """Approximate length of the stream that replicas follow; one that lags further behind reloads everything."""
    status_entries: int = 1_000
    """The same for the stream of cluster status records."""
    buckets: int = 50_000
    """If there are more buckets than this, those unchanged for `bucket_revisions` are deleted."""
    bucket_revisions: int = 10_000
    """A commit on a snapshot further behind than this is stale if it reads a deleted bucket."""


@dataclass(frozen=True, slots=True)
class MeshKeys:
    """The keys of one mesh."""

    mesh: str
    meta: str = field(init=False)
    """Hash: epoch, revision (of the last change), floor (see forget.lua), status (count of status writes)."""
    last: str = field(init=False)
    """Hash: the revision at which each bucket last changed."""
    resources: str = field(init=False)
    """Hash: the resources that exist, by name."""
    audit: str = field(init=False)
    """Stream: one record per revision, with the id REVISION-0."""
    seal: str = field(init=False)
    """Hash: base and head of the audit chain."""
    log: str = field(init=False)
    """Stream: the name of the resource that each revision changed; a hint for replicas."""
    status: str = field(init=False)
    """Hash: the last status record of each cluster."""
    inventories: str = field(init=False)
    """Hash: the last inventory of each cluster."""
    status_log: str = field(init=False)
    """Stream: status records as they are written, and the names of clusters with a new inventory or a resync request;
    ids count the writes."""
    fences: str = field(init=False)
    """Hash: the fence last issued for each cluster."""
    processes: str = field(init=False)
    """Set: the processes that have agents attached, and some that are gone."""

    def __post_init__(self) -> None:
        for name in (
            "meta",
            "last",
            "resources",
            "audit",
            "seal",
            "log",
            "status",
            "inventories",
            "status_log",
            "fences",
            "processes",
        ):
            object.__setattr__(self, name, f"egress:{{{self.mesh}}}:{name}")

    def history(self, resource: str) -> str:
        """Stream: the versions of one resource by revision."""
        return f"egress:{{{self.mesh}}}:history:{resource}"

    def lease(self, cluster: str) -> str:
        """String: the owner of the lease on the cluster."""
        return f"egress:{{{self.mesh}}}:lease:{cluster}"

    def sessions(self, process: str) -> str:
        """Hash that expires: the agents attached to a process, and the version of that list."""
        return f"egress:{{{self.mesh}}}:sessions:{process}"

    def inbox(self, process: str) -> str:
        """List: messages for a process (ports.agent_bus)."""
        return f"egress:{{{self.mesh}}}:inbox:{process}"

    def request(self, request: RequestKey) -> str:
        """String: the outcome of a request. Hashed, because clients choose the length of their ids."""
        parts = (request.principal, request.method, request.request_id)
        digest = sha256("\0".join(parts).encode()).hexdigest()
        return f"egress:{{{self.mesh}}}:request:{digest}"

    def of_commit(self, resource: str, request: RequestKey) -> tuple[str, ...]:
        """The keys of commit.lua, in order."""
        return (
            self.meta,
            self.request(request),
            self.last,
            self.resources,
            self.history(resource),
            self.audit,
            self.log,
        )
