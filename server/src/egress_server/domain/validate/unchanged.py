"""What can't change for the life of a resource.

A policy that moved to another scope would leave the old one without a word; a cluster that is driven in another way
would leave behind what the old way put there.
"""

from egress_server.domain.errors import invalid
from egress_server.domain.resources import Cluster, Interception, KubernetesTarget, OutboundPolicy, Resource


def check_unchanged(before: Resource, after: Resource) -> None:
    """Raises InvalidArgument naming the request's field, where a part differs that must not."""
    match before, after:
        case OutboundPolicy(), OutboundPolicy() if before.scope != after.scope:
            raise invalid("outbound_policy.scope", f"can't change; delete {after.name} and set another policy")
        case Interception(), Interception() if before.scope != after.scope:
            raise invalid("interception.scope", f"can't change; delete {after.name} and set another interception")
        case Cluster(), Cluster() if before.target is not after.target:
            raise invalid(
                "cluster.target",
                f"can't change from {before.target.value} to {after.target.value}; deregister {after.id} first",
            )
        case Cluster(), Cluster() if (before.path or before.id) != (after.path or after.id):
            raise invalid(
                "cluster.directory.path",
                f"can't change from {before.path or before.id}: what is there would stay; deregister {after.id} first",
            )
        case Cluster(kubernetes=KubernetesTarget() as was), Cluster(kubernetes=KubernetesTarget() as wanted) if (
            was.root_namespace != wanted.root_namespace
        ):
            raise invalid(
                "cluster.kubernetes.root_namespace",
                f"can't change from {was.root_namespace}: what is there would stay; deregister {after.id} first",
            )
