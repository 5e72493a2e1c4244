"""Metric names and labels. Operators build dashboards on them: any change is noted in the changelog."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_REQUESTS = Counter(
    "egress_requests",
    "API requests answered, by method, transport and status code.",
    ["method", "transport", "code"],
    registry=REGISTRY,
)
_REQUEST_SECONDS = Histogram(
    "egress_request_duration_seconds",
    "Time from the arrival of an API request in the pipeline to its response.",
    ["method"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
STREAMS = Gauge("egress_open_streams", "Streams open in this process, by method.", ["method"], registry=REGISTRY)
AGENTS = Gauge("egress_attached_agents", "Agents attached to this process.", registry=REGISTRY)
STORE_REVISION = Gauge("egress_store_revision", "Newest revision that this process knows.", ["mesh"], registry=REGISTRY)
CLUSTER_APPLIED = Gauge(
    "egress_cluster_applied_revision",
    "Revision that is applied on a cluster.",
    ["mesh", "cluster"],
    registry=REGISTRY,
)
RECONCILES = Counter(
    "egress_reconciles",
    "Reconciles of clusters, by result: changed, unchanged, failed, offline, held.",
    ["result"],
    registry=REGISTRY,
)
APPLY_SECONDS = Histogram(
    "egress_apply_duration_seconds",
    "Time that a cluster took to accept changed objects.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
ROLLOUT_SECONDS = Histogram(
    "egress_rollout_duration_seconds",
    "Time from the acceptance of the oldest change in an apply until it was applied, by the store's clock.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
DRIFT = Counter(
    "egress_drift_detected",
    "Managed objects that another client changed on a cluster, by kind of drift: CHANGED, MISSING, EXTRA.",
    ["mesh", "cluster", "kind"],
    registry=REGISTRY,
)
DRIFT_OPEN = Gauge(
    "egress_drift_open",
    "Managed objects that differ from what was applied and were not corrected, of the last 50 that drifted.",
    ["mesh", "cluster"],
    registry=REGISTRY,
)
FAULTS_EXPIRED = Counter(
    "egress_faults_expired", "Faults that this process deleted because their ttl ended.", registry=REGISTRY
)
TASK_FAILURES = Counter(
    "egress_task_failures", "Failures of background tasks, each of which is restarted.", ["task"], registry=REGISTRY
)
LOG_FAILURES = Counter(
    "egress_log_failures", "Log writes that failed, for example because the disk is full.", registry=REGISTRY
)
LOOP_STALL_SECONDS = Histogram(
    "egress_loop_stall_seconds",
    "How late the event loop ran a timer that is due every 10 ms; everything in the process waited as long.",
    buckets=_SECONDS,
    registry=REGISTRY,
)


@cache  # one per method, transport and code; the library's own lookup costs more than counting
def requests(method: str, transport: str, code: str) -> Counter:
    """The requests with these labels."""
    return _REQUESTS.labels(method, transport, code)


@cache
def request_seconds(method: str) -> Histogram:
    """The durations of requests of this method."""
    return _REQUEST_SECONDS.labels(method)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
