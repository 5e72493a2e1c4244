"""OutboundPolicy to Istio's Sidecar.

A Sidecar in the root namespace holds for the whole mesh and beats MeshConfig both ways. The mode is always written
out: REGISTRY_ONLY is the enum's zero and would print as an empty object, which reads as nothing at all.
"""

from egress_server.domain.render.objects import ROOT_NAMESPACE, IstioObject, istio_object
from egress_server.domain.resources import OutboundPolicy, name_of


def render_outbound_policy(policy: OutboundPolicy) -> IstioObject:
    """The Sidecar that carries the policy's mode."""
    spec: IstioObject = {"outboundTrafficPolicy": {"mode": policy.mode.value}}
    return istio_object("Sidecar", ROOT_NAMESPACE, f"egress-{name_of(policy).id}", policy.name, spec)
