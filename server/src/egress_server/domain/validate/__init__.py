"""What is right and wrong with a resource by itself, whatever else exists.

Rules are Istio's own (its validation webhook and the CEL rules of its CRDs) and Kubernetes', so that nothing we
accept is refused by a cluster later. Paths are relative to the resource, in proto names.
"""

from egress_server.domain.model.resources import (
    Cluster,
    Fault,
    Interception,
    Mesh,
    OutboundPolicy,
    Resource,
    ServiceEntry,
)
from egress_server.domain.validate.clusters import check_cluster, check_mesh
from egress_server.domain.validate.fault import check_fault
from egress_server.domain.validate.policies import check_interception, check_outbound_policy
from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.service_entry import check_service_entry

__all__ = ["Problems", "check_resource"]


def check_resource(resource: Resource, problems: Problems) -> None:
    """Adds all that is wrong with `resource` to `problems`."""
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
