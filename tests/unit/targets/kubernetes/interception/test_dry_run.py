"""The namespaces in which the injector can be tried, according to the selectors of its webhooks."""

from typing import Any

import pytest

from egress_server.domain.simulate.interception import CaptureRules
from egress_server.targets.kubernetes.interception.dry_run import (
    InjectionSite,
    dry_run_pod,
    injection_sites,
    is_denial,
    rules_of,
)

NOT_OFF = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
ENABLED = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
NO_INJECTION = {"key": "istio-injection", "operator": "DoesNotExist"}
NO_REVISION = {"key": "istio.io/rev", "operator": "DoesNotExist"}
ASKED = {"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]}


def configuration(revision: str, *webhooks: dict[str, Any]) -> dict[str, Any]:
    """As Istio's chart creates it."""
    return {"metadata": {"name": "x", "labels": {"istio.io/rev": revision}}, "webhooks": list(webhooks)}


def webhook(
    namespaces: list[dict[str, Any]], pods: list[dict[str, Any]], name: str = "x.sidecar-injector.istio.io"
) -> dict[str, Any]:
    """One webhook."""
    return {
        "name": name,
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": pods},
    }


DEFAULT = configuration("default", webhook([NO_INJECTION, NO_REVISION], [ASKED]), webhook([ENABLED], [NOT_OFF]))


def test_namespaces_with_injection_come_first() -> None:
    """Elsewhere a pod needs a label; istiod skips system namespaces."""
    namespaces = {"a": {}, "b": {"istio-injection": "enabled"}, "c": {"istio-injection": "disabled"}, "kube-system": {}}
    assert list(injection_sites([DEFAULT], "", namespaces)) == [
        InjectionSite("b", {}),
        InjectionSite("a", {"sidecar.istio.io/inject": "true"}),
    ]


def test_only_webhooks_of_the_revision_count() -> None:
    """Another revision has another ConfigMap, and other webhooks are not the injector's."""
    others = configuration("default", webhook([], [], name="policy.example.com"))
    assert list(injection_sites([configuration("canary", webhook([], [])), others], "", {"a": {}})) == []
    assert list(injection_sites([configuration("canary", webhook([], []))], "canary", {"a": {}})) == [
        InjectionSite("a", {})
    ]


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ([{"key": "k", "operator": "Exists"}], {"k": ""}),
        ([{"key": "k", "operator": "In", "values": ["v", "w"]}], {"k": "v"}),
        ([{"key": "k", "operator": "DoesNotExist"}], {}),
        ([{"key": "k", "operator": "In", "values": ["v"]}, {"key": "k", "operator": "NotIn", "values": ["v"]}], None),
    ],
)
def test_the_smallest_set_of_labels(terms: list[dict[str, Any]], found: dict[str, str] | None) -> None:
    """A webhook that no labels satisfy is not tried."""
    wanted = [] if found is None else [InjectionSite("a", found)]
    assert list(injection_sites([configuration("default", webhook([], terms))], "", {"a": {}})) == wanted


def test_the_pod_has_a_service_account() -> None:
    """Without the admission plugin that sets it, an API server rejects the token that the injector mounts."""
    pod = dry_run_pod(InjectionSite("a", {"k": "v"}))
    assert pod["spec"]["serviceAccountName"] == "default"
    assert pod["metadata"]["labels"] == {"k": "v"}
    assert pod["metadata"]["annotations"] == {}


def test_values_are_tried_as_annotations() -> None:
    """All of them, including empty ones."""
    values = {
        "includeIPRanges": "",
        "excludeIPRanges": "10.0.0.0/8",
        "includeOutboundPorts": "1",
        "excludeOutboundPorts": "",
    }
    annotations = dry_run_pod(InjectionSite("a", {}), values)["metadata"]["annotations"]
    assert {name.removeprefix("traffic.sidecar.istio.io/"): value for name, value in annotations.items()} == {
        "includeOutboundIPRanges": "",
        "excludeOutboundIPRanges": "10.0.0.0/8",
        "includeOutboundPorts": "1",
        "excludeOutboundPorts": "",
    }


def test_rules_of_an_injected_pod() -> None:
    """From the arguments of istio-init; with Istio's CNI plugin from the annotations, where a missing one means all."""
    pod = dry_run_pod(InjectionSite("a", {}))
    assert rules_of(pod) is None
    proxy = {"name": "istio-proxy"}
    init = {"name": "istio-init", "args": ["istio-iptables", "-i", "10.0.0.0/8", "-x", ""]}
    assert rules_of({**pod, "spec": {"containers": [], "initContainers": [init, proxy]}}) == CaptureRules(
        ("10.0.0.0/8",)
    )
    pod["metadata"]["annotations"] = {"sidecar.istio.io/interceptionMode": "REDIRECT"}
    assert rules_of({**pod, "spec": {"containers": [proxy]}}) == CaptureRules(("*",))


@pytest.mark.parametrize(
    ("message", "denial"),
    [
        ('admission webhook "namespace.sidecar-injector.istio.io" denied the request: failed parsing cidr', True),
        ('failed calling webhook "namespace.sidecar-injector.istio.io": connection refused', False),
        ('admission webhook "validate.kyverno.svc" denied the request: no tag latest', False),
        ('pods "egress-dry-run" is forbidden: violates PodSecurity "restricted:latest"', False),
    ],
)
def test_only_the_injector_itself_denies_values(message: str, denial: bool) -> None:
    """Denials by other webhooks prove nothing about the values."""
    assert is_denial(message) is denial
