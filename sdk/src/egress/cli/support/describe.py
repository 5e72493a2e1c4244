"""What a table of clusters has no room for."""

from collections.abc import Iterator

from egress import Cluster
from egress.cli.support.values import short


def versions(cluster: Cluster) -> str:
    """What runs there, in words; empty where it is not known."""
    status = cluster.status
    parts = [
        f"Kubernetes {status.kubernetes_version}" if status.kubernetes_version else "",
        f"Istio {status.istio_version}" if status.istio_version else "",
        "ambient mode" if status.ambient else "",
        f"service ranges {', '.join(status.service_cidrs)}" if status.service_cidrs else "",
    ]
    return ", ".join(part for part in parts if part)


def details(cluster: Cluster) -> Iterator[str]:
    """Lines on one cluster: what is wrong and what to do, and what was seen there."""
    status, id_ = cluster.status, short(cluster.name)
    if status.message:
        yield f"{status.reason}: {status.message}"
    if known := versions(cluster):
        yield known
    if status.kubernetes_version and not status.mutating_admission_policy:
        yield f"no MutatingAdmissionPolicy: interception in a namespace waits for egressctl cluster restart {id_}"
    if cluster.adopted:
        yield f"adopted: {', '.join(cluster.adopted)}"
    for count, what, verb in (
        (status.drifted_objects, "changed by others", "drift"),
        (status.policy_gaps, "not held by REGISTRY_ONLY", "gaps"),
        (status.stale_workloads, "workloads with older interception rules", "stale"),
    ):
        if count:
            yield f"{count} {what}: egressctl cluster {verb} {id_}"
