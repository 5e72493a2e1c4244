"""Interception for a namespace or a workload: an admission policy that sets Istio's annotations on new pods.

Istio has no setting between the mesh and the single pod. The API server applies these policies before it calls Istio's
injector, which then finds the annotations as if the pod had been created with them. If several match a pod only the
narrowest acts: each excludes the narrower ones, since the API server guarantees no order. A policy overrides the pod's
own template: whoever may set policy here decides, not whoever may write a Deployment.

Each policy carries its rules in an annotation as well: expressions are for the API server, but what a new pod would get
must also be read here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY, RESOURCE_ANNOTATION, IstioObject, resource_of
from egress_server.domain.model.selectors import Scope
from egress_server.targets.kubernetes.api.kinds import ADMISSION_BINDING, ADMISSION_POLICY
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.interception.pods import VALUE_BY_ANNOTATION

ANNOTATION = "egress.mesh/interception"


@dataclass(frozen=True, slots=True)
class ScopedRules:
    """What pods in `namespace` with these `labels` get: the injector's four values, comma-joined."""

    namespace: str
    labels: Mapping[str, str]
    values: Mapping[str, str]

    @classmethod
    def of(cls, interception: IstioObject) -> "ScopedRules":
        """Those of a rendered Interception."""
        spec = interception["spec"]
        labels = spec.get("workloadSelector", {}).get("labels", {})
        values = {name: value for name, value in spec.items() if name != "workloadSelector"}
        return cls(interception["metadata"]["namespace"], labels, values)

    def annotation(self) -> str:
        """As written on the policy; byte-stable."""
        content = {"namespace": self.namespace, "labels": dict(self.labels), "values": dict(self.values)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts the rules that win first: those with more labels, then by scope, as domain.effective does."""
        return -len(self.labels), Scope(self.namespace, dict(self.labels)).key()

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether they match a pod; a narrower one may win."""
        return namespace == self.namespace and self.labels.items() <= labels.items()


def narrowest(scopes: Iterable[ScopedRules], namespace: str, labels: Mapping[str, str]) -> ScopedRules | None:
    """The rules that win for such a pod, of those sorted by rank."""
    return next((scope for scope in scopes if scope.matches(namespace, labels)), None)


def read_scoped_rules(policies: Iterable[CachedObject]) -> tuple[ScopedRules, ...]:
    """Those of our policies, sorted by rank."""
    texts = (policy.annotations.get(ANNOTATION) for policy in policies if policy.managed)
    found = [ScopedRules(**json.loads(text)) for text in texts if text]
    return tuple(sorted(found, key=lambda rules: rules.rank))


def admission_objects(interceptions: Sequence[IstioObject]) -> list[IstioObject]:
    """A policy and its binding for each rendered Interception; `interceptions` are all of the cluster."""
    scoped = sorted(((ScopedRules.of(each), each) for each in interceptions), key=lambda pair: pair[0].rank)
    objects: list[IstioObject] = []
    for number, (rules, interception) in enumerate(scoped):
        narrower = [other for other, _ in scoped[:number] if other.namespace == rules.namespace]
        objects.append(_policy(interception, rules, narrower))
        objects.append(_binding(interception))
    return objects


def _policy(interception: IstioObject, rules: ScopedRules, narrower: Sequence[ScopedRules]) -> IstioObject:
    conditions = [
        {"name": f"narrower-{number}", "expression": f"!({_has_labels(other.labels)})"}
        for number, other in enumerate(narrower)
    ]
    spec: dict[str, Any] = {
        "failurePolicy": "Ignore",  # a pod that is captured too much is better than no pod
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
    """All four, even if empty: the mesh's values must not apply instead."""
    written = ", ".join(
        f"{_quoted(name)}: {_quoted(values[value])}" for name, value in sorted(VALUE_BY_ANNOTATION.items())
    )
    return f"Object{{metadata: Object.metadata{{annotations: {{{written}}}}}}}"


def _has_labels(labels: Mapping[str, str]) -> str:
    """An expression: whether the pod has the labels."""
    each = (
        f"{_quoted(name)} in object.metadata.labels && object.metadata.labels[{_quoted(name)}] == {_quoted(value)}"
        for name, value in sorted(labels.items())
    )
    return " && ".join(("has(object.metadata.labels)", *each))


def _quoted(text: str) -> str:
    """A string literal of the expression language (CEL), which quotes as JSON does."""
    return json.dumps(text)
