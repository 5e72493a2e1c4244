"""Where in Redis a mesh lives. All its keys share one hash tag, so that one script may touch them in a cluster."""

from dataclasses import dataclass, field
from hashlib import sha256

from egress_server.ports.store import RequestKey


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept."""

    versions: int = 50
    """Versions of each resource; also kept after its deletion, for `changes_days`."""
    changes_days: int = 30
    """Days that changes (audit records) are kept; only sealed ones are ever forgotten."""
    request_seconds: int = 3600
    """Seconds in which a repeated request id gives the first answer."""
    log_entries: int = 10_000
    """Entries (about) of the stream that processes follow; one that lags further reloads everything."""
    status_entries: int = 1_000
    """The same for the stream of the appliers' records."""
    buckets: int = 50_000
    """Buckets above which those are forgotten that have not changed for `bucket_revisions`."""
    bucket_revisions: int = 10_000
    """A snapshot that is further behind than this finds forgotten buckets stale."""


@dataclass(frozen=True, slots=True)
class MeshKeys:
    """The keys of one mesh."""

    mesh: str
    meta: str = field(init=False)
    """Hash: epoch, revision (of the last change), floor (see forget.lua), status (number of the last write)."""
    last: str = field(init=False)
    """Hash: the revision at which each bucket changed last."""
    resources: str = field(init=False)
    """Hash: present resources by name."""
    audit: str = field(init=False)
    """Stream: one record a revision, its id is REVISION-0."""
    seal: str = field(init=False)
    """Hash: how far the audit chain goes and where it begins."""
    log: str = field(init=False)
    """Stream: the name of the resource that each revision changed; a hint for followers."""
    status: str = field(init=False)
    """Hash: the appliers' last record of each cluster."""
    inventories: str = field(init=False)
    """Hash: what the appliers last saw of each cluster besides ours."""
    status_log: str = field(init=False)
    """Stream: the appliers' records; ids count the writes."""
    fences: str = field(init=False)
    """Hash: the fence last given out for each cluster."""
    processes: str = field(init=False)
    """Set: the processes that hold agents, and some that are gone."""

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
        """String: who drives the cluster."""
        return f"egress:{{{self.mesh}}}:lease:{cluster}"

    def sessions(self, process: str) -> str:
        """Hash with an end: the agents that a process holds, and the version of that."""
        return f"egress:{{{self.mesh}}}:sessions:{process}"

    def inbox(self, process: str) -> str:
        """List: messages for a process (ports.switchboard)."""
        return f"egress:{{{self.mesh}}}:inbox:{process}"

    def request(self, request: RequestKey) -> str:
        """String: what the request did. Hashed, because clients choose how long their ids are."""
        parts = (request.principal, request.method, request.request_id)
        digest = sha256("\0".join(parts).encode()).hexdigest()
        return f"egress:{{{self.mesh}}}:request:{digest}"

    def of_commit(self, resource: str, request: RequestKey) -> tuple[str, ...]:
        """The keys of commit.lua, in its order."""
        return (
            self.meta,
            self.request(request),
            self.last,
            self.resources,
            self.history(resource),
            self.audit,
            self.log,
        )
