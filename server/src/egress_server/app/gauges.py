"""Gauges are read where things are known, at the moment somebody asks: nobody keeps them in step."""

from egress_server.ports.agents import AgentSessions
from egress_server.ports.store import Replica
from egress_server.telemetry import metrics


def exposition(mesh: str, replica: Replica | None, agents: AgentSessions) -> bytes:
    """All metrics in Prometheus' text format, with the gauges of `mesh` as of now, once it is known."""
    if replica is None:
        return metrics.exposition()
    clusters = [cluster.id for cluster in replica.snapshot.clusters()]
    metrics.STORE_REVISION.labels(mesh).set(replica.snapshot.revision)
    metrics.CLUSTER_APPLIED.clear()
    metrics.DRIFT_UNHEALED.clear()
    for id_ in clusters:
        status = replica.statuses.get(id_)
        metrics.CLUSTER_APPLIED.labels(mesh, id_).set(status.applied_revision if status else 0)
        unhealed = [drift for drift in status.drift if drift.heal_time is None] if status else []
        metrics.DRIFT_UNHEALED.labels(mesh, id_).set(len(unhealed))
    metrics.AGENTS.set(sum(len(agents.attached(mesh, id_)) for id_ in clusters))
    return metrics.exposition()
