"""Health, readiness and metrics: served before anything else, so that they show what a starting process waits for."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from egress_server.aio.loop_watch import LoopWatch
from egress_server.app.servers import WebServer
from egress_server.domain.model.errors import EgressError
from egress_server.gateway.ops import Readiness, operations_app
from egress_server.ports.agents import AgentSessions
from egress_server.ports.store import Replica
from egress_server.telemetry import metrics


async def open_ops_server(
    stack: AsyncExitStack,
    address: str,
    readiness: Readiness,
    metrics_page: Callable[[], bytes],
    otherwise: EgressError,
    drain_seconds: float = 1.0,
) -> WebServer:
    """Serves these pages at `address` until the stack is left, and `otherwise` at all other paths. Meanwhile the event
    loop is watched.

    Raises OSError if it can't listen there.
    """
    web = WebServer(operations_app(readiness, metrics_page, otherwise), address, drain_seconds)
    await web.start()
    stack.push_async_callback(web.stop)
    watch = LoopWatch()
    watch.start()
    stack.callback(watch.stop)
    return web


def exposition(mesh: str, replica: Replica | None, agents: AgentSessions) -> bytes:
    """All metrics in Prometheus' text format. The gauges of `mesh` are computed now, if its replica is known yet."""
    if replica is None:
        return metrics.exposition()
    clusters = [cluster.id for cluster in replica.snapshot.clusters()]
    metrics.STORE_REVISION.labels(mesh).set(replica.snapshot.revision)
    metrics.CLUSTER_APPLIED.clear()
    metrics.DRIFT_OPEN.clear()
    for id_ in clusters:
        status = replica.statuses.get(id_)
        metrics.CLUSTER_APPLIED.labels(mesh, id_).set(status.applied_revision if status else 0)
        open_drift = [drift for drift in status.drift if drift.heal_time is None] if status else []
        metrics.DRIFT_OPEN.labels(mesh, id_).set(len(open_drift))
    metrics.AGENTS.set(sum(len(agents.attached(mesh, id_)) for id_ in clusters))
    return metrics.exposition()
