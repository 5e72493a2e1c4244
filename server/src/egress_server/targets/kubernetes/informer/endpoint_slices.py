"""EndpointSlices: which addresses serve a Service."""

from collections.abc import Mapping

from egress_server.targets.kubernetes.api.client import Object

SERVICE_NAME = "kubernetes.io/service-name"
"""The label with the name of the Service."""
_MANAGED_BY, _CONTROLLER = "endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"
_HEADLESS = "service.kubernetes.io/headless"
_NO_ADDRESSES = "FQDN"
"""An address type that Istio does not support."""


def addresses_by_readiness(obj: Object) -> Mapping[bool, tuple[str, ...]]:
    """Its addresses that are ready, and those that are not, sorted. Of a Service with cluster IPs only the first one
    that is ready: what decides is whether there is one, and the others come and go with its pods."""
    if obj.get("addressType") == _NO_ADDRESSES:
        return {}
    labels = obj["metadata"].get("labels") or {}
    found: dict[bool, list[str]] = {True: [], False: []}
    for endpoint in obj.get("endpoints") or ():
        found[(endpoint.get("conditions") or {}).get("ready") is not False] += endpoint.get("addresses") or ()
    ready, waiting = (tuple(sorted(found[is_ready])) for is_ready in (True, False))
    balanced = labels.get(_MANAGED_BY) == _CONTROLLER and _HEADLESS not in labels
    return {True: ready[:1]} if balanced else {True: ready, False: waiting}
