"""Interception for a scope: what pods of it get, and as the admission policy that carries it out says it of itself.

A policy's expressions are for the API server to evaluate. Whoever wants to know what a new pod would get reads the same
from an annotation on it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY, RESOURCE_ANNOTATION, IstioObject, resource_of
from egress_server.domain.model.resources import Scope
from egress_server.targets.kubernetes.api.kinds import ADMISSION_BINDING, ADMISSION_POLICY
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.interception.pods import VALUE_OF

ANNOTATION = "egress.mesh/interception"


@dataclass(frozen=True, slots=True)
class ScopedRules:
    """What pods of `namespace` that carry `labels` get: the four values of the injector, comma-joined."""

    namespace: str
    labels: Mapping[str, str]
    values: Mapping[str, str]

    @classmethod
    def of(cls, interception: IstioObject) -> "ScopedRules":
        """Of a rendered Interception."""
        spec = interception["spec"]
        labels = spec.get("workloadSelector", {}).get("labels", {})
        values = {name: value for name, value in spec.items() if name != "workloadSelector"}
        return cls(interception["metadata"]["namespace"], labels, values)

    def annotation(self) -> str:
        """As it is written on the policy; byte-stable."""
        content = {"namespace": self.namespace, "labels": dict(self.labels), "values": dict(self.values)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts first what holds where two hold: what asks for more labels, then by scope, as domain.effective does."""
        return -len(self.labels), Scope(self.namespace, dict(self.labels)).key()

    def holds_for(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a pod gets it, unless a narrower one holds."""
        return namespace == self.namespace and self.labels.items() <= labels.items()


def narrowest(scopes: Iterable[ScopedRules], namespace: str, labels: Mapping[str, str]) -> ScopedRules | None:
    """The one that holds for such a pod, of those in the order in which they are asked."""
    return next((scope for scope in scopes if scope.holds_for(namespace, labels)), None)


def read_scoped_rules(policies: Iterable[CachedObject]) -> tuple[ScopedRules, ...]:
    """Of our policies, in the order in which they are asked."""
    texts = (policy.annotations.get(ANNOTATION) for policy in policies if policy.ours)
    found = [ScopedRules(**json.loads(text)) for text in texts if text]
    return tuple(sorted(found, key=lambda rules: rules.rank))


def admission_objects(interceptions: Sequence[IstioObject]) -> list[IstioObject]:
    """A policy and its binding for each of the rendered Interceptions, which are all of the cluster."""
    scoped = sorted(((ScopedRules.of(each), each) for each in interceptions), key=lambda pair: pair[0].rank)
    objects: list[IstioObject] = []
    for number, (rules, interception) in enumerate(scoped):
        narrower = [other for other, _ in scoped[:number] if other.namespace == rules.namespace]
        objects.append(_policy(interception, rules, narrower))
        objects.append(_binding(interception))
    return objects


def _policy(interception: IstioObject, rules: ScopedRules, narrower: Sequence[ScopedRules]) -> IstioObject:
    conditions = [
        {"name": f"narrower-{number}", "expression": f"!({_fits(other.labels)})"}
        for number, other in enumerate(narrower)
    ]
    spec: dict[str, Any] = {
        "failurePolicy": "Ignore",  # a pod that is intercepted too much is better than none
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": rules.namespace}},
            "objectSelector": {"matchLabels": dict(sorted(rules.labels.items()))} if rules.labels else {},
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["pods"],
                    "scope": "*",
                }
            ],
        },
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": _annotations(rules.values)}}
        ],
    }
    if conditions:
        spec["matchConditions"] = conditions
    return _object(
        ADMISSION_POLICY.name, ADMISSION_POLICY.api_version, interception, spec, {ANNOTATION: rules.annotation()}
    )


def _binding(interception: IstioObject) -> IstioObject:
    spec = {"policyName": interception["metadata"]["name"]}
    return _object(ADMISSION_BINDING.name, ADMISSION_BINDING.api_version, interception, spec, {})


def _object(
    kind: str, api_version: str, interception: IstioObject, spec: dict[str, Any], annotations: Mapping[str, str]
) -> IstioObject:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": interception["metadata"]["name"],
            "namespace": "",
            "labels": dict(MANAGED_BY),
            "annotations": {RESOURCE_ANNOTATION: resource_of(interception), **annotations},
        },
        "spec": spec,
    }


def _annotations(values: Mapping[str, str]) -> str:
    """All four, also where empty: those of the mesh must not shine through."""
    written = ", ".join(f"{_text(name)}: {_text(values[value])}" for name, value in sorted(VALUE_OF.items()))
    return f"Object{{metadata: Object.metadata{{annotations: {{{written}}}}}}}"


def _fits(labels: Mapping[str, str]) -> str:
    """Whether the pod carries the labels, as an expression."""
    each = (
        f"{_text(name)} in object.metadata.labels && object.metadata.labels[{_text(name)}] == {_text(value)}"
        for name, value in sorted(labels.items())
    )
    return " && ".join(("has(object.metadata.labels)", *each))


def _text(text: str) -> str:
    """A text of the expression language, which quotes as JSON does."""
    return json.dumps(text)
