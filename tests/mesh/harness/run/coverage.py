"""Which rules of lint and of explain a test of this tier shows on a real mesh, and why the others are not shown."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=Callable[..., object])

COVERED: set[str] = set()
"""Filled as the modules of tests are imported; tests/unit/lint/test_rules.py compares it with all rules."""

NOT_COVERED = {
    "EGR0206": "is about what a percentage means, not about how Envoy applies it",
    "EGR0208": "is about what a VirtualService can't express",
    "EGR0311": "is about the metadata service of a cloud; EGR0302 shows that REGISTRY_ONLY blocks it",
    "EGR0312": "compares a name with the workloads that an applier has reported",
    "EGR0403": "is about what we render if the ranges are unknown; the effect is that of EGR0402",
    "EGR0405": "needs the DNS proxy of istio-agent, which workloads of this tier do not run",
    "EGR0501": "speaks of our own cluster selector, and of nothing that Istio does",
    "EGR0502": "speaks of the folders of directory clusters",
    "EGR0503": "speaks of clusters that are not registered; nothing happens there",
    "EGR0504": "speaks of clusters that are not registered; nothing happens there",
    "EGR0505": "speaks of namespaces that don't exist; nothing happens there",
    "EGR0604": "is about what an applier has not reported yet",
    "EGR0606": "speaks of what an applier could not write; tests of the kubernetes target show the cases",
    "EGR0610": "is about the metadata service of a cloud, and about how to reach it",
    "EGR0611": "would be a bug of the model; the tests of this tier would fail on it",
    "EGR0707": "would need an Istio older than the one that is built here",
    "EGR0741": "would need an Istio older than the one that is built here",
    "EGR0708": "would need ztunnel, which only runs with its node agent in the kernel's namespaces of a node",
    "EGR0713": "needs the DNS proxy of istio-agent, which workloads of this tier do not run",
}


def covers(*codes: str) -> Callable[[T], T]:
    """Marks a test in which what the rules say happens to the connections of a workload."""
    COVERED.update(codes)

    def as_it_is(test: T) -> T:
        return test

    return as_it_is
