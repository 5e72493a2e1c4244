"""Metric names and labels. Operators build dashboards on them: they change only with a note in the changelog."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_CALLS = Counter(
    "egress_calls",
    "Calls answered, by method, transport and status code.",
    ["method", "transport", "code"],
    registry=REGISTRY,
)
_CALL_SECONDS = Histogram(
    "egress_call_seconds",
    "Time from a call's arrival in the pipeline to its answer.",
    ["method"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
STREAMS = Gauge("egress_streams", "Streams open in this process, by method.", ["method"], registry=REGISTRY)
STORE_REVISION = Gauge("egress_store_revision", "Newest revision this process knows.", ["mesh"], registry=REGISTRY)
AGENTS = Gauge("egress_agents", "Agents attached to this process.", registry=REGISTRY)
CLUSTER_APPLIED = Gauge(
    "egress_cluster_applied_revision",
    "Revision that a cluster holds.",
    ["mesh", "cluster"],
    registry=REGISTRY,
)
CYCLES = Counter(
    "egress_cycles",
    "Looks at a cluster, by what came of them: changed, unchanged, failed, offline, held.",
    ["outcome"],
    registry=REGISTRY,
)
APPLY_SECONDS = Histogram(
    "egress_apply_seconds",
    "Time a cluster took to take changed objects.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
ACCEPT_TO_APPLIED_SECONDS = Histogram(
    "egress_accept_to_applied_seconds",
    "Time from the acceptance of the oldest change in an apply until the cluster held it, by the store's clock.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
DRIFT = Counter(
    "egress_drift",
    "Objects of ours that somebody else changed on a cluster, by how they differ: CHANGED, MISSING, EXTRA.",
    ["cluster", "kind"],
    registry=REGISTRY,
)
DRIFT_UNHEALED = Gauge(
    "egress_drift_unhealed",
    "Objects of ours that differ from what was applied and are left so, of the last 50 that drifted.",
    ["mesh", "cluster"],
    registry=REGISTRY,
)
FAULTS_EXPIRED = Counter(
    "egress_faults_expired", "Faults that this process took out of desired state at their end.", registry=REGISTRY
)

TASK_FAILURES = Counter(
    "egress_task_failures", "Failures of background tasks, each of which is restarted.", ["task"], registry=REGISTRY
)


@cache  # as many as there are methods, doors and codes; the library's look-up costs more than counting
def calls(method: str, transport: str, code: str) -> Counter:
    """The calls with these labels."""
    return _CALLS.labels(method, transport, code)


@cache
def call_seconds(method: str) -> Histogram:
    """The times of calls of this method."""
    return _CALL_SECONDS.labels(method)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
