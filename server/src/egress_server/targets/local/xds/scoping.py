"""Which objects apply to the one workload of a local cluster, and which of them is effective for a host.

istiod gives each sidecar its own view, by namespace, labels and age, and decides the same way for every kind of object.
Behaviour as of istiod 1.31.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from egress_server.domain.model.objects import ROOT_NAMESPACE

Manifest = Mapping[str, Any]
"""A Kubernetes object, or a part of one, as plain data."""


@dataclass(frozen=True, slots=True)
class LocalWorkload:
    """The workload whose sidecar our Envoy is."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)


class HostIndex:
    """Objects by their hosts, given oldest first."""

    def __init__(self, pairs: Iterable[tuple[str, Manifest]]) -> None:
        self._exact: dict[str, list[Manifest]] = {}
        self._wildcards: list[tuple[str, Manifest]] = []
        for host, manifest in pairs:
            self._exact.setdefault(host, []).append(manifest)
            if host.startswith("*"):
                self._wildcards.append((host, manifest))
        self._wildcards.sort(key=lambda pair: -len(pair[0]))

    def ranked(self, host: str) -> Iterator[Manifest]:
        """The objects for `host`: by its exact name, then by the longest wildcard; of equals the oldest first."""
        yield from self._exact.get(host, ())
        for pattern, manifest in self._wildcards:
            if pattern != host and covers(pattern, host):
                yield manifest


def covers(pattern: str, host: str) -> bool:
    """Whether `pattern` is `host`, or a wildcard that covers it, or that covers everything the wildcard `host` does."""
    return pattern == host or (pattern.startswith("*") and host.endswith(pattern[1:]))


def namespace_of(manifest: Manifest) -> str:
    """The object's namespace; `default` if it has none."""
    return str(manifest["metadata"].get("namespace") or "default")


def visible(manifest: Manifest, namespace: str) -> bool:
    """Whether workloads in `namespace` see the object, by its exportTo."""
    export_to = manifest["spec"].get("exportTo") or ["*"]
    own = namespace_of(manifest) == namespace
    return any(to in ("*", namespace) or (to == "." and own) for to in export_to)


def effective_for(manifests: Sequence[Manifest], workload: LocalWorkload) -> Manifest | None:
    """Of objects that never merge, such as Sidecars, the effective one for the workload: one that selects its labels,
    else its namespace's, else the root namespace's; of equals the oldest."""
    own = [m for m in manifests if namespace_of(m) == workload.namespace]
    root = [m for m in manifests if namespace_of(m) == ROOT_NAMESPACE and _selector(m) is None]
    selecting = [m for m in own if (s := _selector(m)) is not None and s.items() <= workload.labels.items()]
    return next(iter([*selecting, *(m for m in own if _selector(m) is None), *root]), None)


def _selector(manifest: Manifest) -> Mapping[str, str] | None:
    selector = manifest.get("spec", {}).get("workloadSelector")
    return None if selector is None else selector.get("labels", {})
