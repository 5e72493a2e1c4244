"""A pod for trial: what Istio's injector makes of new pods just now, without one being kept.

It goes through the API server as any other (dryRun), so istiod answers for itself. It can only be asked where its
webhook wants pods: the webhook's selectors say which namespaces and labels these are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egress_server.domain.intercept import Rules
from egress_server.targets.kubernetes.api.client import Object
from egress_server.targets.kubernetes.interception.pods import VALUE_OF, read_pod

Labels = Mapping[str, str]

WEBHOOK = "sidecar-injector.istio.io"
"""How the names of the injector's webhooks end, whatever the revision."""
_DENIED = "denied the request"
_SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
"""Namespaces that istiod itself leaves out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new pod with these labels is injected."""

    namespace: str
    labels: Labels


def places(configurations: Iterable[Object], revision: str, namespaces: Mapping[str, Labels]) -> Iterator[Place]:
    """Where the webhooks of a revision want pods; the namespaces that ask for it themselves first."""
    webhooks = [
        webhook
        for configuration in configurations
        if (configuration["metadata"].get("labels") or {}).get("istio.io/rev") == (revision or "default")
        for webhook in configuration.get("webhooks") or ()
        if webhook["name"].endswith(WEBHOOK)
    ]
    found: dict[str, Place] = {}
    for webhook in webhooks:
        wanted = _least(webhook.get("objectSelector") or {})
        for name in sorted(namespaces.keys() - _SYSTEM):
            labels = {"kubernetes.io/metadata.name": name, **namespaces[name]}
            if wanted is not None and _selects(webhook.get("namespaceSelector") or {}, labels):
                found.setdefault(name, Place(name, wanted))
    yield from sorted(found.values(), key=lambda place: (len(place.labels), place.namespace))


def trial_pod(place: Place, values: Mapping[str, str] | None = None) -> Object:
    """The pod; with `values`, as annotations, which istiod checks, unlike the same values in the injector's own."""
    annotations = {} if values is None else {name: values[value] for name, value in VALUE_OF.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "egress-trial",
            "namespace": place.namespace,
            "labels": dict(place.labels),
            "annotations": annotations,
        },
        "spec": {"serviceAccountName": "default", "containers": [{"name": "trial", "image": "trial"}]},
    }


def rules_of(injected: Object) -> Rules | None:
    """The rules that the pod would have run with; None where it was not injected."""
    pod = read_pod(injected)
    return pod.rules if pod else None


def is_denial(message: str) -> bool:
    """Whether it is the injector that does not want a pod, and not somebody else, or nobody at all."""
    return WEBHOOK in message and _DENIED in message


def _least(selector: Mapping[str, Any]) -> Labels | None:
    """The fewest labels that are selected; None where that takes more than a look."""
    labels: dict[str, str] = dict(selector.get("matchLabels") or {})
    for term in selector.get("matchExpressions") or ():
        if term["operator"] == "In":
            labels.setdefault(term["key"], term["values"][0])
        elif term["operator"] == "Exists":
            labels.setdefault(term["key"], "")
    return labels if _selects(selector, labels) else None


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    terms: Sequence[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    matched: Labels = selector.get("matchLabels") or {}
    return matched.items() <= labels.items() and all(_holds(term, labels) for term in terms)


def _holds(term: Mapping[str, Any], labels: Labels) -> bool:
    there, value = term["key"] in labels, labels.get(term["key"])
    return {
        "In": there and value in term.get("values", ()),
        "NotIn": not there or value not in term.get("values", ()),
        "Exists": there,
        "DoesNotExist": not there,
    }[term["operator"]]
