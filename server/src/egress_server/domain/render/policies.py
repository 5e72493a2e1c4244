"""OutboundPolicy to Istio's Sidecar; Interception to a kind of our own, in the injector's terms."""

from egress_server.domain.model.objects import IstioObject, istio_object, root_namespace
from egress_server.domain.model.resources import Cluster, Interception, OutboundPolicy, TargetKind, name_of


def render_outbound_policy(policy: OutboundPolicy, cluster: Cluster) -> IstioObject:
    """The Sidecar that carries the policy's mode, in the namespace of its scope."""
    spec: IstioObject = {"outboundTrafficPolicy": {"mode": policy.mode.value}}
    if policy.scope.match_labels:
        spec["workloadSelector"] = {"labels": dict(sorted(policy.scope.match_labels.items()))}
    namespace = policy.scope.namespace or root_namespace(cluster)
    return istio_object("Sidecar", namespace, f"egress-{name_of(policy).id}", policy.name, spec)


API_VERSION = "egress.mesh/v1"
KIND = "Interception"
"""Of the object. A Kubernetes cluster that holds it as it is only remembers it, for restarts that somebody asks for."""
ALL = "*"
SERVICE_CIDRS = "SERVICE_CIDRS"
"""Among the included ranges, stands for those of a Kubernetes cluster's services where its registration does not name
them: the cluster itself knows."""


def render_interception(policy: Interception, cluster: Cluster) -> IstioObject:
    """The object; the cluster lends its own service ranges where the policy asks for them."""
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
    # Without a single range nothing would be intercepted, which a policy has to ask for by `none`.
    return ",".join(dict.fromkeys((*policy.include_cidrs, *service))) or ALL


def _service_cidrs(cluster: Cluster) -> tuple[str, ...]:
    unknown = cluster.target is TargetKind.KUBERNETES and not cluster.service_cidrs
    return (SERVICE_CIDRS,) if unknown else cluster.service_cidrs
