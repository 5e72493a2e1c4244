"""EndpointSlices: which addresses serve a Service."""

from collections.abc import Sequence

from egress_server.targets.kubernetes.api.client import Object

SERVICE_NAME = "kubernetes.io/service-name"
"""The label with the name of the Service."""
_MANAGED_BY, _CONTROLLER = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"
_HEADLESS = "service.kubernetes.io/headless"
_NO_ADDRESSES = "FQDN"
"""An address type that Istio does not support."""


def ready_addresses(obj: Object) -> Sequence[str]:
    """Its addresses that are ready, sorted; of a headless Service all, as sidecars listen at each. Of a Service with
    cluster IPs only the first: what decides is whether there is one, and the others come and go with its pods."""
    if obj.get("addressType") == _NO_ADDRESSES:
        return ()
    labels = obj["metadata"].get("labels") or {}
    ready = sorted(
        address
        for endpoint in obj.get("endpoints") or ()
        if _HEADLESS in labels or (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    )
    balanced = labels.get(_MANAGED_BY) == _CONTROLLER and _HEADLESS not in labels
    return ready[:1] if balanced else ready
