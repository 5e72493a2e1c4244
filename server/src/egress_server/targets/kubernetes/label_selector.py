"""Kubernetes' label selectors, and Istio's workload selectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Labels = Mapping[str, str]
Selector = Mapping[str, Any]

OPERATORS = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


def selects(selector: Selector, labels: Labels) -> bool:
    """Whether a selector matches `labels`; an empty one always does. Raises KeyError for an unknown operator."""
    terms: Sequence[Mapping[str, Any]] = selector.get("matchExpressions") or ()
    matched: Labels = selector.get("matchLabels") or {}
    return matched.items() <= labels.items() and all(_matches(term, labels) for term in terms)


def _matches(term: Mapping[str, Any], labels: Labels) -> bool:
    exists, value = term["key"] in labels, labels.get(term["key"])
    return {
        "In": exists and value in term.get("values", ()),
        "NotIn": not exists or value not in term.get("values", ()),
        "Exists": exists,
        "DoesNotExist": not exists,
    }[term["operator"]]


@dataclass(frozen=True, slots=True)
class WorkloadSelector:
    """Selects the workloads of a namespace that have all of these labels."""

    namespace: str
    labels: frozenset[tuple[str, str]]

    def selects(self, namespace: str, labels: Labels) -> bool:
        """Whether it selects a workload with these labels."""
        return namespace == self.namespace and self.labels <= labels.items()
