"""Validation of a resource of any kind.

The rules are Istio's (of its validation webhook and the CEL rules of its CRDs) and Kubernetes', so that no cluster
rejects what was accepted here. Paths are relative to the resource, in proto names.
"""

from egress_server.domain.model.clusters import Cluster, DirectoryTarget, KubernetesTarget, Mesh
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Resource, ServiceEntry
from egress_server.domain.validate.clusters import check_cluster, check_mesh
from egress_server.domain.validate.fault import check_fault
from egress_server.domain.validate.policies import check_interception, check_outbound_policy
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.service_entry import check_service_entry


def check_resource(resource: Resource, problems: Problems) -> None:
    """Adds everything that is wrong with `resource` to `problems`."""
    match resource:
        case ServiceEntry():
            check_service_entry(resource, problems)
        case OutboundPolicy():
            check_outbound_policy(resource, problems)
        case Fault():
            check_fault(resource, problems)
        case Interception():
            check_interception(resource, problems)
        case Cluster():
            check_cluster(resource, problems)
        case Mesh():
            check_mesh(resource, problems)


def check_immutable(before: Resource, after: Resource) -> None:
    """Raises InvalidArgument for the field of the request if an immutable field would change."""
    match before, after:
        case OutboundPolicy(), OutboundPolicy() if before.scope != after.scope:
            raise invalid("outbound_policy.scope", f"is immutable; delete {after.name} and create another policy")
        case Interception(), Interception() if before.scope != after.scope:
            raise invalid("interception.scope", f"is immutable; delete {after.name} and create another interception")
        case Cluster(), Cluster():
            _check_target_immutable(before, after)


def _check_target_immutable(before: Cluster, after: Cluster) -> None:
    """What mesh-egress wrote at a former location would stay there."""
    first = f"deregister {after.id} first"
    match before.target, after.target:
        case DirectoryTarget() as old, DirectoryTarget() as new:
            if (old.path or before.id) != (new.path or after.id):
                raise invalid("cluster.directory.path", f"can't change from {old.path or before.id}; {first}")
        case KubernetesTarget() as old, KubernetesTarget() as new:
            if old.root_namespace != new.root_namespace:
                raise invalid("cluster.kubernetes.root_namespace", f"can't change from {old.root_namespace}; {first}")
        case old, new if old.kind != new.kind:
            raise invalid("cluster.target", f"can't change from {old.kind} to {new.kind}; {first}")
