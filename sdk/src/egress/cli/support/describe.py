"""What the table of clusters does not show."""

from collections.abc import Iterator

from egress import Cluster
from egress.cli.support.values import short


def versions(cluster: Cluster) -> str:
    """The versions on the cluster; empty if they are not known."""
    status = cluster.status
    parts = [
        f"Kubernetes {status.kubernetes_version}" if status.kubernetes_version else "",
        f"Istio {status.istio_version}" if status.istio_version else "",
        "ambient mode" if status.ambient else "",
        f"service ranges {', '.join(status.service_cidrs)}" if status.service_cidrs else "",
    ]
    return ", ".join(part for part in parts if part)


def details(cluster: Cluster) -> Iterator[str]:
    """Lines about a cluster: its problem, and what was observed on it."""
    status, id_ = cluster.status, short(cluster.name)
    if status.message:
        yield f"{status.reason}: {status.message}"
    if known := versions(cluster):
        yield known
    if status.kubernetes_version and not status.mutating_admission_policy:
        yield f"no MutatingAdmissionPolicy: namespace interception requires egressctl cluster restart {id_}"
    if cluster.adopted:
        yield f"adopted: {', '.join(cluster.adopted)}"
    for count, what, verb in (
        (status.drifted_objects, "changed by other clients", "drift"),
        (status.policy_gaps, "not covered by REGISTRY_ONLY", "gaps"),
        (status.stale_workloads, "workloads with older interception rules", "stale"),
    ):
        if count:
            yield f"{count} {what}: egressctl cluster {verb} {id_}"
