"""What MeshConfig decides besides the outbound mode, read as istiod reads it."""

from typing import Any

import pytest

from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.targets.kubernetes.configmap.mesh_config import read_data
from egress_server.targets.kubernetes.configmap.mesh_settings import ignored_namespaces, read_mesh_settings

NAMESPACES = {"default": {"team": "a"}, "lab": {}, "shop": {"team": "b", "old": "1"}}


def settings(text: str, *, auto_allocate: bool = True) -> MeshSettings:
    """Those in a text."""
    data = read_data(text)
    assert data is not None
    return read_mesh_settings(data, NAMESPACES, auto_allocate=auto_allocate)


def test_istios_defaults() -> None:
    """An empty text sets nothing."""
    assert settings("") == MeshSettings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("defaultServiceExportTo: ['.']", MeshSettings(default_service_export_to=(".",))),
        ("default_service_export_to: ['~']", MeshSettings(default_service_export_to=("~",))),
        ("defaultServiceExportTo: []", MeshSettings()),
        ("defaultVirtualServiceExportTo: ['.', lab]", MeshSettings(default_virtual_service_export_to=(".", "lab"))),
        ("defaultDestinationRuleExportTo: ['.']", MeshSettings(default_destination_rule_export_to=(".",))),
        (
            "defaultServiceExportTo: ['.']\ndefaultServiceExportTo: ['*']",
            MeshSettings(default_service_export_to=("*",)),
        ),
        ("defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'true'}}", MeshSettings(dns_capture=True)),
        ("defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: 'false'}}", MeshSettings()),
        ("protocolDetectionTimeout: 1.5s", MeshSettings(protocol_detection_timeout=1.5)),
        ("unknown: {x: 1}", MeshSettings()),
    ],
)
def test_fields(text: str, expected: MeshSettings) -> None:
    """By either name; of two equal keys the last counts."""
    assert settings(text) == expected


def test_addresses_are_allocated_by_version_or_metadata() -> None:
    """Older versions do so only if asked."""
    text = "defaultConfig: {proxyMetadata: {ISTIO_META_DNS_AUTO_ALLOCATE: 'true'}}"
    assert not settings("", auto_allocate=False).auto_allocate
    assert settings(text, auto_allocate=False).auto_allocate


TEAM_A = "matchingRules: [{namespaceSelector: {matchLabels: {team: a}}}]"


@pytest.mark.parametrize(
    ("policies", "default", "private", "hidden"),
    [
        ("[]", "NAMESPACE", ("default", "lab", "shop"), ()),
        ("[]", "NONE", (), ("default", "lab", "shop")),
        ("[]", "PUBLIC", (), ()),
        (f"[{{visibility: NAMESPACE, {TEAM_A}}}]", "NONE", ("default",), ("lab", "shop")),
        (f"[{{visibility: 1, {TEAM_A}}}, {{visibility: 2}}]", "PUBLIC", ("lab", "shop"), ("default",)),
        ("[{visibility: NONE, matchingRules: [{other: {}}]}]", "PUBLIC", (), ()),
    ],
)
def test_visibility_of_entries(policies: str, default: str, private: tuple[str, ...], hidden: tuple[str, ...]) -> None:
    """The first policy whose rules all match; a rule of an unknown kind never does."""
    text = f"serviceEntryVisibility: {{applyToSidecars: true, defaultVisibility: {default}, policies: {policies}}}"
    found = settings(text)
    assert (found.private_namespaces, found.hidden_namespaces) == (private, hidden)
    assert settings(text.replace("true", "false")) == MeshSettings()


@pytest.mark.parametrize(
    ("selectors", "ignored"),
    [
        ("[]", ()),
        ("[{}]", ()),
        ("[{matchLabels: {team: a}}]", ("lab", "shop")),
        ("[{matchLabels: {team: a}}, {matchLabels: {team: b}}]", ("lab",)),
        ("[{matchLabels: {team: a}, matchExpressions: [{key: old, operator: Exists}]}]", ("default", "lab", "shop")),
        ("[{matchLabels: {team: a}, matchExpressions: [{key: old, operator: DoesNotExist}]}]", ("lab", "shop")),
        ("[{matchExpressions: [{key: team, operator: In, values: [a, b]}]}]", ("lab",)),
        ("[{matchExpressions: [{key: team, operator: NotIn, values: [a]}]}]", ("default",)),
        ("[{matchExpressions: [{key: team, operator: Exists}]}]", ("lab",)),
        ("[{matchExpressions: [{key: team, operator: Like, values: [a]}]}]", ()),
        ("[{matchExpressions: [{key: team, operator: In}]}]", ()),
    ],
)
def test_namespaces_that_istiod_ignores(selectors: str, ignored: tuple[str, ...]) -> None:
    """Those that no selector matches; an invalid selector is as good as none."""
    data = read_data(f"discoverySelectors: {selectors}")
    assert data is not None
    assert ignored_namespaces(data, NAMESPACES) == ignored


@pytest.mark.parametrize(
    "text",
    [
        "defaultServiceExportTo: '*'",
        "defaultServiceExportTo: [1]",
        "defaultConfig: [x]",
        "defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: true}}",
        "serviceEntryVisibility: {applyToSidecars: true, policies: [x]}",
    ],
)
def test_a_wrong_type_makes_istiod_reject_the_text(text: str) -> None:
    """The whole of it."""
    with pytest.raises(ValueError, match="not"):
        settings(text)


@pytest.mark.parametrize("text", ["a:\tb: c", "- x", "x", "a: !!int b", "a: {<<: {b: c}}"])
def test_what_is_not_a_mapping_is_rejected(text: str) -> None:
    """As YAML, or as a message."""
    assert read_data(text) is None


def test_plain_data() -> None:
    """Numbers and booleans are not text, keys always are."""
    data: dict[str, Any] = {"a": ["x", 1, True, None, 1.5, "1"], "1": {"b": "c"}}
    assert read_data("a: [x, 1, yes, ~, 1.5, '1']\n1: {b: c}") == data
