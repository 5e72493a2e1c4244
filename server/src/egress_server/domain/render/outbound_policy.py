"""OutboundPolicy to Istio's Sidecar.

A Sidecar in the root namespace holds for the whole mesh and beats MeshConfig both ways. The mode is always written
out: REGISTRY_ONLY is the enum's zero and would print as an empty object, which reads as nothing at all.
"""

from egress_server.domain.render.objects import IstioObject, istio_object, root_namespace
from egress_server.domain.resources import Cluster, OutboundPolicy, name_of


def render_outbound_policy(policy: OutboundPolicy, cluster: Cluster) -> IstioObject:
    """The Sidecar that carries the policy's mode, in the namespace of its scope."""
    spec: IstioObject = {"outboundTrafficPolicy": {"mode": policy.mode.value}}
    if policy.scope.match_labels:
        spec["workloadSelector"] = {"labels": dict(sorted(policy.scope.match_labels.items()))}
    namespace = policy.scope.namespace or root_namespace(cluster)
    return istio_object("Sidecar", namespace, f"egress-{name_of(policy).id}", policy.name, spec)
