"""Interception for a scope: what pods of it get, and as the admission policy that carries it out says it of itself.

A policy's expressions are for the API server to evaluate. Whoever wants to know what a new pod would get reads the same
from an annotation on it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.selectors import Scope
from egress_server.targets.kubernetes.informer.objects import CachedObject

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
