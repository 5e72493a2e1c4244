"""Istio's ServiceEntry to the domain: what people already have in their repositories goes in unchanged.

Every field we would drop without a word is refused instead, with its path in the YAML. What Kubernetes itself fills
in (uid, resourceVersion, status and the like), labels and annotations are passed over.
"""

from dataclasses import dataclass

from egress_server.domain.resources import Endpoint, Location, Protocol, Resolution, ServiceEntry, ServicePort
from egress_server.domain.validate import Problems
from egress_server.formats.fields import Fields
from egress_server.formats.istio_object import read_object


@dataclass(frozen=True, slots=True)
class ParsedServiceEntry:
    """A ServiceEntry as written, its values not yet checked. `id` and `namespace` are empty where the YAML does not
    say; the entry itself has no name yet."""

    id: str
    namespace: str
    entry: ServiceEntry


def parse_service_entry(text: str, problems: Problems) -> ParsedServiceEntry | None:
    """The ServiceEntry in `text`; adds to `problems` what can't be read, and gives None where nothing can.

    Raises YamlError where the text is no YAML we read.
    """
    parts = read_object(text, "ServiceEntry", problems)
    if parts is None:
        return None
    metadata, spec = parts
    entry = ServiceEntry(
        name="",
        hosts=_lower(spec.texts("hosts")),
        ports=tuple(_port(port) for port in spec.children("ports")),
        resolution=spec.choice("resolution", Resolution, Resolution.NONE),
        location=spec.choice("location", Location, Location.MESH_EXTERNAL),
        endpoints=tuple(_endpoint(endpoint) for endpoint in spec.children("endpoints")),
        addresses=_lower(spec.texts("addresses")),
        export_to=spec.texts("exportTo"),
    )
    parsed = ParsedServiceEntry(metadata.text("name"), metadata.text("namespace"), entry)
    spec.refuse_rest()
    return parsed


def _lower(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _port(fields: Fields) -> ServicePort:
    port = ServicePort.of(
        fields.number("number"),
        fields.choice("protocol", Protocol, None),
        fields.text("name"),
        fields.number("targetPort"),
    )
    fields.refuse_rest()
    return port


def _endpoint(fields: Fields) -> Endpoint:
    endpoint = Endpoint(
        address=fields.text("address").lower(),
        ports=fields.numbers_by_name("ports"),
        labels=fields.texts_by_name("labels"),
        locality=fields.text("locality"),
        weight=fields.number("weight"),
    )
    fields.refuse_rest()
    return endpoint


def yaml_path(field: str) -> str:
    """A path of the entry in the YAML's own terms, such as spec.ports[0].targetPort."""
    steps, bracket, key = field.partition('["')
    steps = steps.replace("target_port", "targetPort").replace("export_to", "exportTo")
    return f"spec.{steps}{bracket}{key}"
