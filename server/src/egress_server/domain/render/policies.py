"""OutboundPolicy to Istio's Sidecar; Interception to a kind of our own, in the terms of Istio's injector."""

from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.domain.model.objects import IstioObject, istio_object, root_namespace
from egress_server.domain.model.resources import Interception, OutboundPolicy, name_of


def render_outbound_policy(policy: OutboundPolicy, cluster: Cluster) -> IstioObject:
    """The Sidecar with the policy's mode, in the namespace of its scope."""
    spec: IstioObject = {"outboundTrafficPolicy": {"mode": policy.mode.value}}
    if policy.scope.match_labels:
        spec["workloadSelector"] = {"labels": dict(sorted(policy.scope.match_labels.items()))}
    namespace = policy.scope.namespace or root_namespace(cluster)
    return istio_object("Sidecar", namespace, f"egress-{name_of(policy).id}", policy.name, spec)


API_VERSION = "egress.mesh/v1"
KIND = "Interception"
"""Kind of the object. A Kubernetes cluster that holds it unchanged only records it, for restarts on request."""
ALL = "*"
SERVICE_CIDRS = "SERVICE_CIDRS"
"""Placeholder among the included ranges for the service ranges of a Kubernetes cluster whose registration does not list
them: the applier discovers them."""


def render_interception(policy: Interception, cluster: Cluster) -> IstioObject:
    """The object, including the cluster's own service ranges if the policy asks for them."""
    spec: IstioObject = {
        "includeIPRanges": _included(policy, cluster),
        "excludeIPRanges": ",".join(policy.exclude_cidrs),
        "includeOutboundPorts": ",".join(map(str, policy.include_outbound_ports)),
        "excludeOutboundPorts": ",".join(map(str, policy.exclude_outbound_ports)),
    }
    if policy.scope.match_labels:
        spec["workloadSelector"] = {"labels": dict(sorted(policy.scope.match_labels.items()))}
    namespace = policy.scope.namespace or root_namespace(cluster)
    obj = istio_object(KIND, namespace, f"egress-{name_of(policy).id}", policy.name, spec)
    obj["apiVersion"] = API_VERSION
    return obj


def _included(policy: Interception, cluster: Cluster) -> str:
    if policy.none:
        return ""
    if not policy.include_cidrs and not policy.include_service_cidrs:
        return ALL
    service = _service_cidrs(cluster) if policy.include_service_cidrs else ()
    # Without any range nothing would be intercepted, which a policy must request with `none`.
    return ",".join(dict.fromkeys((*policy.include_cidrs, *service))) or ALL


def _service_cidrs(cluster: Cluster) -> tuple[str, ...]:
    cidrs = cluster.target.service_cidrs
    unknown = isinstance(cluster.target, KubernetesTarget) and not cidrs
    return (SERVICE_CIDRS,) if unknown else cidrs
