"""What only some kinds of clusters can do."""

from egress_server.domain.errors import FailedPrecondition
from egress_server.domain.resources import Cluster, Resource, TargetKind


def expect_kubernetes(resource: Resource) -> Cluster:
    """The cluster; raises FailedPrecondition TARGET_UNSUPPORTED where it is no Kubernetes cluster."""
    assert isinstance(resource, Cluster)
    if resource.target is not TargetKind.KUBERNETES:
        raise FailedPrecondition(
            f"{resource.id} is a {resource.target.value} cluster; only Kubernetes clusters have objects and workloads "
            "that are not ours",
            reason="TARGET_UNSUPPORTED",
            metadata={"cluster": resource.id, "target": resource.target.value},
        )
    return resource
