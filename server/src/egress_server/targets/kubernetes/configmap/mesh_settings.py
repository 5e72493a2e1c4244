"""What MeshConfig decides besides the outbound mode."""

from collections.abc import Mapping
from typing import Any

from egress_server.domain.istio.manifest import seconds
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.targets.kubernetes.label_selector import OPERATORS, Labels, Selector, selects

DNS_CAPTURE = "ISTIO_META_DNS_CAPTURE"
DNS_AUTO_ALLOCATE = "ISTIO_META_DNS_AUTO_ALLOCATE"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_HIDDEN, _PRIVATE, _PUBLIC = "NONE", "NAMESPACE", "PUBLIC"
_VISIBILITIES = ("VISIBILITY_UNSPECIFIED", _HIDDEN, _PRIVATE, _PUBLIC)  # by number

Data = Mapping[str, Any]


def read_mesh_settings(data: Data, namespaces: Mapping[str, Labels], *, auto_allocate: bool) -> MeshSettings:
    """The settings in MeshConfig's `data`, for these namespaces with their labels. `auto_allocate` is whether istiod
    allocates addresses by default.

    Raises ValueError if a field has the wrong type, for which istiod rejects the whole text.
    """
    metadata = _message(_field(_message(_field(data, "defaultConfig")), "proxyMetadata"))
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("proxyMetadata has values that are not text")
    capture = metadata.get(DNS_CAPTURE) in _TRUE
    visibility = _message(_field(data, "serviceEntryVisibility"))
    return MeshSettings(
        default_service_export_to=_texts(data, "defaultServiceExportTo"),
        default_virtual_service_export_to=_texts(data, "defaultVirtualServiceExportTo"),
        default_destination_rule_export_to=_texts(data, "defaultDestinationRuleExportTo"),
        dns_capture=capture,
        auto_allocate=auto_allocate or metadata.get(DNS_AUTO_ALLOCATE) in _TRUE,
        private_namespaces=_with_visibility(visibility, _PRIVATE, namespaces),
        hidden_namespaces=_with_visibility(visibility, _HIDDEN, namespaces),
        protocol_detection_timeout=seconds(_field(data, "protocolDetectionTimeout")) or 0.0,
    )


def ignored_namespaces(data: Data, namespaces: Mapping[str, Labels]) -> tuple[str, ...]:
    """The namespaces that no discovery selector matches. istiod reads all of them if there are no selectors, or if
    one is invalid. Raises ValueError if a field has the wrong type."""
    selectors = [_message(each) for each in _list(data, "discoverySelectors")]
    if not selectors or not all(map(_is_valid, selectors)):
        return ()
    return tuple(
        name
        for name, labels in sorted(namespaces.items())
        if not any(selects(selector, labels) for selector in selectors)
    )


def _with_visibility(visibility: Data, wanted: str, namespaces: Mapping[str, Labels]) -> tuple[str, ...]:
    """Where the entries have the wanted visibility for sidecars."""
    if _field(visibility, "applyToSidecars") is not True:
        return ()
    return tuple(name for name, labels in sorted(namespaces.items()) if _visibility(visibility, labels) == wanted)


def _visibility(visibility: Data, labels: Labels) -> str:
    """Of the entries in a namespace with these labels: that of the first policy whose rules all match."""
    for policy in _list(visibility, "policies"):
        rules = [_field(_message(rule), "namespaceSelector") for rule in _list(_message(policy), "matchingRules")]
        if all(isinstance(rule, dict) and _is_valid(rule) and selects(rule, labels) for rule in rules):
            return _enum(_field(policy, "visibility"))
    return _enum(_field(visibility, "defaultVisibility"))


def _enum(value: object) -> str:
    return _VISIBILITIES[value] if isinstance(value, int) and value in range(len(_VISIBILITIES)) else str(value)


def _is_valid(selector: Selector) -> bool:
    """Whether all of its terms have a key and a known operator, and values exactly if the operator needs some."""
    return all(
        isinstance(term, dict)
        and isinstance(term.get("key"), str)
        and term.get("operator") in OPERATORS
        and bool(term.get("values")) is (term["operator"] in {"In", "NotIn"})
        for term in selector.get("matchExpressions") or ()
    )


def _field(data: Data, name: str) -> Any:
    """A field by its JSON name, or by its name in the proto."""
    other = "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
    return data[name] if name in data else data.get(other)


def _message(value: object) -> Data:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("a message is not a mapping")
    return value


def _list(data: Data, name: str) -> list[Any]:
    value = _field(data, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{name} is not a list")
    return value


def _texts(data: Data, name: str) -> tuple[str, ...]:
    values = _list(data, name)
    if not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} has values that are not text")
    return tuple(values)
