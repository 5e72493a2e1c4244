"""ServiceEntry to Istio's ServiceEntry. Fields with Istio's default value are omitted, except for exportTo."""

from typing import Any

from egress_server.domain.model.objects import IstioObject, istio_object
from egress_server.domain.model.resources import Endpoint, Protocol, ServiceEntry, ServicePort, name_of
from egress_server.domain.model.selectors import ANY_NAMESPACE


def render_service_entry(entry: ServiceEntry) -> IstioObject:
    """The object with the same namespace and name."""
    spec: dict[str, Any] = {
        "hosts": list(entry.hosts),
        "ports": [_port(port) for port in entry.ports],
        "resolution": entry.resolution.value,
        "location": entry.location.value,
    }
    if entry.addresses:
        spec["addresses"] = list(entry.addresses)
    if entry.endpoints:
        spec["endpoints"] = [_endpoint(endpoint) for endpoint in entry.endpoints]
    # Always explicit: without it MeshConfig's defaultServiceExportTo would decide.
    spec["exportTo"] = list(entry.export_to or (ANY_NAMESPACE,))
    if entry.workload_selector:
        spec["workloadSelector"] = {"labels": dict(sorted(entry.workload_selector.items()))}
    if entry.subject_alt_names:
        spec["subjectAltNames"] = list(entry.subject_alt_names)
    name = name_of(entry)
    obj = istio_object("ServiceEntry", name.namespace, name.id, entry.name, spec)
    metadata = obj["metadata"]
    metadata["labels"] = {**dict(sorted(entry.labels.items())), **metadata["labels"]}
    metadata["annotations"] = {**dict(sorted(entry.annotations.items())), **metadata["annotations"]}
    return obj


def _port(port: ServicePort) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "number": port.number,
        "name": port.name,
    }
    if port.protocol is not Protocol.DETECTED:
        rendered["protocol"] = port.protocol.value
    if port.target_port:
        rendered["targetPort"] = port.target_port
    return rendered


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    rendered: dict[str, Any] = {"address": endpoint.address}
    if endpoint.ports:
        rendered["ports"] = dict(sorted(endpoint.ports.items()))
    if endpoint.labels:
        rendered["labels"] = dict(sorted(endpoint.labels.items()))
    if endpoint.locality:
        rendered["locality"] = endpoint.locality
    if endpoint.weight:
        rendered["weight"] = endpoint.weight
    if endpoint.network:
        rendered["network"] = endpoint.network
    return rendered
