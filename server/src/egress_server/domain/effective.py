"""What we want a cluster to hold: the one pure function that appliers, plans, probes and drift share."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from egress_server.domain.changes import Versioned
from egress_server.domain.names import Kind
from egress_server.domain.resources import Cluster, Labels, OutboundPolicy, ServiceEntry
from egress_server.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Effective:
    """The policies that hold on one cluster at one revision.

    `outbound` has at most one policy a scope, by the scope's key. `revisions` is the last change of each resource here,
    those included that a stronger one displaces; `created` the birth of each entry, since of two the older wins.
    """

    cluster: Cluster
    revision: int
    outbound: dict[str, OutboundPolicy]
    entries: tuple[ServiceEntry, ...]
    revisions: dict[str, int]
    created: dict[str, datetime]

    def outbound_for(self, namespace: str, labels: Labels | None = None) -> OutboundPolicy | None:
        """The policy for a workload: by its labels, else its namespace's, else the mesh's, else None."""
        own = (p for p in self.outbound.values() if p.scope.match_labels and p.scope.namespace == namespace)
        selected = next((p for p in own if p.scope.match_labels.items() <= (labels or {}).items()), None)
        return selected or self.outbound.get(f"{namespace}/") or self.outbound.get("/")


def effective(snapshot: Snapshot, cluster: Cluster) -> Effective:
    """The policies of `snapshot` that hold on `cluster`."""
    revisions: dict[str, int] = {}
    created: dict[str, datetime] = {}
    entries = []
    for name in snapshot.names(Kind.SERVICE_ENTRY):
        versioned = snapshot.of_kind(Kind.SERVICE_ENTRY)[name]
        entry = versioned.resource
        if isinstance(entry, ServiceEntry) and entry.cluster_selector.selects(cluster):
            entries.append(entry)
            revisions[name] = versioned.revision
            created[name] = versioned.create_time
    outbound: dict[str, OutboundPolicy] = {}
    for versioned in _ranked(snapshot.of_kind(Kind.OUTBOUND_POLICY).values()):
        policy = versioned.resource
        if isinstance(policy, OutboundPolicy) and policy.cluster_selector.selects(cluster):
            outbound[policy.scope.key()] = policy
            revisions[policy.name] = versioned.revision
    return Effective(cluster, snapshot.revision, outbound, tuple(entries), revisions, created)


def _ranked(policies: Iterable[Versioned]) -> list[Versioned]:
    """From the weakest to the strongest; of equals the older is stronger, so that a newcomer changes nothing,
    and where even that is equal every process decides alike."""
    return sorted(policies, key=_strength)


def _strength(versioned: Versioned) -> tuple[int, float, str]:
    policy = versioned.resource
    rank = policy.cluster_selector.rank if isinstance(policy, OutboundPolicy) else 0
    return rank, -versioned.create_time.timestamp(), policy.name
