"""Istio's ServiceEntry to the domain: strictly for users' input, leniently for foreign objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from egress_server.domain.model.names import normal_host
from egress_server.domain.model.objects import MANAGED_BY, OWN_PREFIX
from egress_server.domain.model.resources import Endpoint, Location, Protocol, Resolution, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import Labels
from egress_server.domain.validate import Problems
from egress_server.formats.fields import Fields
from egress_server.formats.strict_yaml import load_mapping

_API_VERSIONS = frozenset(f"networking.istio.io/{version}" for version in ("v1", "v1beta1", "v1alpha3"))


def read_object(text: str, kind: str, problems: Problems) -> tuple[Fields, Fields] | None:
    """Metadata and spec of the `kind` in `text`; None, with a problem, if it is of another kind.

    Raises YamlError if the text is not YAML that strict_yaml accepts.
    """
    top = Fields(load_mapping(text), problems)
    if not _is_kind(top, kind):
        return None
    metadata, spec = top.child("metadata"), top.child("spec")
    top.ignore("status")
    top.refuse_rest()
    return metadata, spec


_ELSEWHERE = {
    (
        "ServiceEntry",
        "VirtualService",
    ): "; inject its faults by egressctl fault inject -f, and set its timeouts, "
    "retries and routes in the service entry: traffic.timeout (--request-timeout), traffic.retries and traffic.routes",
    ("ServiceEntry", "DestinationRule"): "; set its limits and TLS in the service entry: traffic.connection_limits, "
    "traffic.outlier_detection, traffic.load_balancer and traffic.tls_origination",
    ("ServiceEntry", "Sidecar"): "; set its outbound mode by egressctl outbound set",
    ("VirtualService", "ServiceEntry"): "; set it by egressctl entry upsert -f",
}
"""Where the settings of other kinds belong."""


def _is_kind(top: Fields, kind: str) -> bool:
    version, found = top.text("apiVersion"), top.text("kind")
    if found != kind:
        hint = _ELSEWHERE.get((kind, found), "")
        top.problems.at("kind").add(f"must be {kind}, not {found}{hint}" if found else f"must be {kind}")
        return False
    if version not in _API_VERSIONS:
        top.problems.at("apiVersion").add(f"must be networking.istio.io/v1, v1beta1 or v1alpha3, not {version!r}")
        return False
    return True


@dataclass(frozen=True, slots=True)
class ParsedServiceEntry:
    """A ServiceEntry as written, not validated yet. `id` and `namespace` are empty if the YAML omits them; the entry
    itself has no name yet."""

    id: str
    namespace: str
    entry: ServiceEntry


def parse_service_entry(text: str, problems: Problems) -> ParsedServiceEntry | None:
    """The ServiceEntry in `text`. Adds what can't be read to `problems`; None if it is not a ServiceEntry.

    Raises YamlError if the text is not YAML that strict_yaml accepts.
    """
    parts = read_object(text, "ServiceEntry", problems)
    if parts is None:
        return None
    metadata, spec = parts
    entry = ServiceEntry(
        name="",
        hosts=tuple(map(normal_host, spec.texts("hosts"))),
        ports=tuple(_port(port) for port in spec.children("ports")),
        resolution=spec.choice("resolution", Resolution, Resolution.NONE),
        location=spec.choice("location", Location, Location.MESH_EXTERNAL),
        endpoints=tuple(_endpoint(endpoint) for endpoint in spec.children("endpoints")),
        addresses=tuple(address.lower() for address in spec.texts("addresses")),
        export_to=spec.texts("exportTo"),
        workload_selector=_workload_selector(spec),
        subject_alt_names=spec.texts("subjectAltNames"),
        labels=_others(metadata.texts_by_name("labels", omit=MANAGED_BY)),
        annotations=_others(metadata.texts_by_name("annotations", omit=(LAST_APPLIED,))),
    )
    parsed = ParsedServiceEntry(metadata.text("name"), metadata.text("namespace"), entry)
    spec.refuse_rest()
    return parsed


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What kubectl keeps for itself: the whole object as it was last applied."""


def _others(found: dict[str, str]) -> dict[str, str]:
    """The labels or annotations but those of mesh-egress itself."""
    return {key: value for key, value in found.items() if not key.startswith(OWN_PREFIX)}


def _workload_selector(spec: Fields) -> Labels:
    if not spec.has("workloadSelector"):
        return {}
    selector = spec.child("workloadSelector")
    labels = selector.texts_by_name("labels")
    selector.refuse_rest()
    if not labels:
        selector.problems.add("must have labels; without any it would select all workloads of the namespace")
    return labels


def _port(fields: Fields) -> ServicePort:
    port = ServicePort.of(
        fields.number("number"),
        fields.choice("protocol", Protocol, Protocol.DETECTED),
        fields.text("name"),
        fields.number("targetPort"),
    )
    fields.refuse_rest()
    return port


def _endpoint(fields: Fields) -> Endpoint:
    endpoint = Endpoint(
        address=normal_host(fields.text("address")),
        ports=fields.numbers_by_name("ports"),
        labels=fields.texts_by_name("labels"),
        locality=fields.text("locality"),
        weight=fields.number("weight"),
        network=fields.text("network"),
    )
    fields.refuse_rest()
    return endpoint


def yaml_path(field: str) -> str:
    """The YAML path of a field of the entry, such as spec.ports[0].targetPort."""
    steps, bracket, key = field.partition('["')
    if steps in {"labels", "annotations"}:
        return f"metadata.{field}"
    for ours, theirs in _YAML_NAMES.items():
        steps = steps.replace(ours, theirs)
    return f"spec.{steps}{bracket}{key}"


_YAML_NAMES = {
    "target_port": "targetPort",
    "export_to": "exportTo",
    "workload_selector": "workloadSelector.labels",
    "subject_alt_names": "subjectAltNames",
}


_MAX_PORT = 65535
_HTTP_PROXY = "HTTP_PROXY"


def read_foreign_entry(name: str, spec: Mapping[str, Any]) -> ServiceEntry | None:
    """The entry in the spec of a foreign object, with this name; None if it is invalid. Hosts keep their case, since
    istiod does not find the cluster of a host that is not in lower case."""
    try:
        hosts = tuple(str(host) for host in spec["hosts"])
        ports = tuple(
            read_port(port, protocol_named(str(port.get("protocol") or ""))) for port in spec.get("ports") or ()
        )
        if not hosts or not all(0 < port.number <= _MAX_PORT for port in ports):
            return None
        return ServiceEntry(
            name=name,
            hosts=hosts,
            ports=ports,
            resolution=Resolution(spec.get("resolution") or "NONE"),
            location=Location(spec.get("location") or "MESH_EXTERNAL"),
            endpoints=tuple(_foreign_endpoint(endpoint) for endpoint in spec.get("endpoints") or ()),
            addresses=tuple(str(address).lower() for address in spec.get("addresses") or ()),
            export_to=tuple(str(to) for to in spec.get("exportTo") or ()),
            workload_selector=_labels((spec.get("workloadSelector") or {}).get("labels")),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def protocol_named(name: str) -> Protocol:
    """The protocol with this name in any case; sidecars detect one that Istio does not know."""
    if name.upper() == _HTTP_PROXY:
        return Protocol.HTTP
    return next((each for each in Protocol if each.value == name.upper()), Protocol.DETECTED)


def read_port(port: Mapping[str, Any], protocol: Protocol) -> ServicePort:
    """A port of a ServiceEntry or Service."""
    number = int(port.get("number") or port["port"])
    target = port.get("targetPort")
    return ServicePort.of(number, protocol, str(port.get("name") or ""), target if isinstance(target, int) else 0)


def _foreign_endpoint(endpoint: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        address=str(endpoint.get("address") or "").lower(),
        ports={str(name): int(number) for name, number in (endpoint.get("ports") or {}).items()},
        labels=_labels(endpoint.get("labels")),
        locality=str(endpoint.get("locality") or ""),
        weight=int(endpoint.get("weight") or 0),
        network=str(endpoint.get("network") or ""),
    )


def _labels(labels: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (labels or {}).items()}
