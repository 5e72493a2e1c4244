"""Where the injector can be asked, by the selectors of its webhooks."""

from typing import Any

import pytest

from egress_server.domain.simulate.interception import Rules
from egress_server.targets.kubernetes.interception.dry_run import Place, is_denial, places, rules_of, trial_pod

NOT_OFF = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
ENABLED = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
NO_INJECTION = {"key": "istio-injection", "operator": "DoesNotExist"}
NO_REVISION = {"key": "istio.io/rev", "operator": "DoesNotExist"}
ASKED = {"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]}


def configuration(revision: str, *webhooks: dict[str, Any]) -> dict[str, Any]:
    """As Istio's chart makes it."""
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


def test_namespaces_that_ask_for_it_come_first() -> None:
    """Elsewhere a pod has to ask for itself; system namespaces are left out by istiod."""
    namespaces = {"a": {}, "b": {"istio-injection": "enabled"}, "c": {"istio-injection": "disabled"}, "kube-system": {}}
    assert list(places([DEFAULT], "", namespaces)) == [Place("b", {}), Place("a", {"sidecar.istio.io/inject": "true"})]


def test_only_webhooks_of_the_revision_count() -> None:
    """Another revision has another ConfigMap, and other webhooks are not the injector's."""
    others = configuration("default", webhook([], [], name="policy.example.com"))
    assert list(places([configuration("canary", webhook([], [])), others], "", {"a": {}})) == []
    assert list(places([configuration("canary", webhook([], []))], "canary", {"a": {}})) == [Place("a", {})]


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ([{"key": "k", "operator": "Exists"}], {"k": ""}),
        ([{"key": "k", "operator": "In", "values": ["v", "w"]}], {"k": "v"}),
        ([{"key": "k", "operator": "DoesNotExist"}], {}),
        ([{"key": "k", "operator": "In", "values": ["v"]}, {"key": "k", "operator": "NotIn", "values": ["v"]}], None),
    ],
)
def test_the_fewest_labels_that_do(terms: list[dict[str, Any]], found: dict[str, str] | None) -> None:
    """Where no labels do, the webhook is not asked."""
    wanted = [] if found is None else [Place("a", found)]
    assert list(places([configuration("default", webhook([], terms))], "", {"a": {}})) == wanted


def test_the_pod_says_its_account() -> None:
    """An API server without the plugin that fills it in refuses the token that the injector mounts."""
    pod = trial_pod(Place("a", {"k": "v"}))
    assert pod["spec"]["serviceAccountName"] == "default"
    assert pod["metadata"]["labels"] == {"k": "v"}
    assert pod["metadata"]["annotations"] == {}


def test_values_are_asked_for_by_annotations() -> None:
    """All of them, those that are empty too."""
    values = {
        "includeIPRanges": "",
        "excludeIPRanges": "10.0.0.0/8",
        "includeOutboundPorts": "1",
        "excludeOutboundPorts": "",
    }
    annotations = trial_pod(Place("a", {}), values)["metadata"]["annotations"]
    assert {name.removeprefix("traffic.sidecar.istio.io/"): value for name, value in annotations.items()} == {
        "includeOutboundIPRanges": "",
        "excludeOutboundIPRanges": "10.0.0.0/8",
        "includeOutboundPorts": "1",
        "excludeOutboundPorts": "",
    }


def test_rules_of_an_injected_pod() -> None:
    """By what istio-init is told; with Istio's CNI plugin by the annotations, of which a missing one means all."""
    pod = trial_pod(Place("a", {}))
    assert rules_of(pod) is None
    proxy = {"name": "istio-proxy"}
    told = {"name": "istio-init", "args": ["istio-iptables", "-i", "10.0.0.0/8", "-x", ""]}
    assert rules_of({**pod, "spec": {"containers": [], "initContainers": [told, proxy]}}) == Rules(("10.0.0.0/8",))
    pod["metadata"]["annotations"] = {"sidecar.istio.io/interceptionMode": "REDIRECT"}
    assert rules_of({**pod, "spec": {"containers": [proxy]}}) == Rules(("*",))


@pytest.mark.parametrize(
    ("message", "denial"),
    [
        ('admission webhook "namespace.sidecar-injector.istio.io" denied the request: failed parsing cidr', True),
        ('failed calling webhook "namespace.sidecar-injector.istio.io": connection refused', False),
        ('admission webhook "validate.kyverno.svc" denied the request: no tag latest', False),
        ('pods "egress-trial" is forbidden: violates PodSecurity "restricted:latest"', False),
    ],
)
def test_only_the_injector_itself_refuses_values(message: str, denial: bool) -> None:
    """What others have against a pod says nothing about them."""
    assert is_denial(message) is denial
