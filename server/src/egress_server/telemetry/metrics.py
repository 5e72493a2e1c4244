"""Metric names and labels. Operators build dashboards on them: they change only with a note in the changelog."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REGISTRY = CollectorRegistry()

CALLS = Counter(
    "egress_calls",
    "Calls answered, by method, transport and status code.",
    ["method", "transport", "code"],
    registry=REGISTRY,
)
CALL_SECONDS = Histogram(
    "egress_call_seconds",
    "Time from a call's arrival in the pipeline to its answer.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
STREAMS = Gauge("egress_streams", "Streams open in this process, by method.", ["method"], registry=REGISTRY)
STORE_REVISION = Gauge("egress_store_revision", "Newest revision this process knows.", ["mesh"], registry=REGISTRY)
CLUSTER_APPLIED = Gauge(
    "egress_cluster_applied_revision", "Revision a cluster holds.", ["mesh", "cluster"], registry=REGISTRY
)
AGENTS = Gauge("egress_agents", "Agents attached to this process.", registry=REGISTRY)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
