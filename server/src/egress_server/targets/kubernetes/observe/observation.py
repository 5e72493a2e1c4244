"""What a look at the cluster found, frozen: all that fitting may know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.observed.inventory import Capabilities
from egress_server.ports.target import Live
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields


@dataclass(frozen=True)
class Observation:
    """`objects` are those of Istio's kinds, the ConfigMaps and the admission policies, ours and others'; `namespaces`
    has the labels of each. `ranges` are those of the cluster's own services, none where it does not tell."""

    root: str
    revision: str = ""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    dynamic_dns: bool = True
    ranges: tuple[str, ...] = ()
    objects: Mapping[ObjectKey, CachedObject] = field(default_factory=dict)
    held: Mapping[ObjectKey, SavedFields] = field(default_factory=dict)

    def foreign(self, kind: str, namespace: str | None = None) -> Sequence[CachedObject]:
        """The objects of a kind that are not ours, the oldest first."""
        found = self._foreign.get(kind, ())
        return found if namespace is None else [item for item in found if item.key.namespace == namespace]

    @cached_property
    def _foreign(self) -> Mapping[str, Sequence[CachedObject]]:
        found: dict[str, list[CachedObject]] = {}
        for key, item in self.objects.items():
            if not item.ours:
                found.setdefault(key.kind, []).append(item)
        return {kind: sorted(items, key=lambda item: item.age) for kind, items in found.items()}

    def ours(self, key: ObjectKey) -> CachedObject | None:
        """An object that we made."""
        found = self.objects.get(key)
        return found if found and found.ours else None


@dataclass(frozen=True)
class KubernetesLive(Live):
    """See ports.target.Live."""

    view: Observation = field(default_factory=lambda: Observation(""))


_MESH = "mesh"


def heeded(spec: Mapping[str, Any]) -> bool:
    """Whether sidecars heed it, and not only gateways."""
    gateways = spec.get("gateways") or ()
    return not gateways or _MESH in gateways


def visible(other: CachedObject, namespace: str) -> bool:
    """Whether workloads of `namespace` see it."""
    to = other.content.get("exportTo") or ("*",)
    return "*" in to or namespace in to or ("." in to and other.key.namespace == namespace)


def full_hosts(other: CachedObject) -> frozenset[str]:
    """Its hosts in full."""
    return frozenset(full_host(host, other.key.namespace) for host in other.content.get("hosts") or ())


def full_host(host: str, namespace: str) -> str:
    """A name without a dot is a Service of the same namespace."""
    return host.lower() if "." in host or "*" in host else f"{host}.{namespace}.svc.cluster.local"
