"""Interception for a namespace or a workload: an admission policy that writes Istio's annotations on new pods.

Istio has no setting between the mesh and the single pod. The API server applies these policies before it calls Istio's
injector, which so finds the annotations as if the pod had brought them. Of several that fit one pod only the narrowest
acts: each is told of those before it, since the API server promises no order. A policy beats what the pod's own
template says: who may set policy here decides, not who may write a Deployment.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY, RESOURCE_ANNOTATION, IstioObject, resource_of
from egress_server.targets.kubernetes.api.kinds import ADMISSION_BINDING, ADMISSION_POLICY
from egress_server.targets.kubernetes.interception.pods import VALUE_OF
from egress_server.targets.kubernetes.interception.scoped_rules import ANNOTATION, ScopedRules


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
