"""What was observed on a cluster, frozen: everything that projection may use."""

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
    """`objects` are those of Istio's kinds, Istio's ConfigMaps and the admission policies, managed and foreign;
    `namespaces` has the labels of each; `service_ranges` are the cluster's own service CIDRs, empty if it does not say;
    `saved` is the record of fields we own inside unmanaged objects."""

    root: str
    revision: str = ""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    dynamic_dns: bool = True
    service_ranges: tuple[str, ...] = ()
    objects: Mapping[ObjectKey, CachedObject] = field(default_factory=dict)
    saved: Mapping[ObjectKey, SavedFields] = field(default_factory=dict)

    def foreign(self, kind: str, namespace: str | None = None) -> Sequence[CachedObject]:
        """The unmanaged objects of a kind, oldest first."""
        found = self._foreign.get(kind, ())
        return found if namespace is None else [item for item in found if item.key.namespace == namespace]

    @cached_property
    def _foreign(self) -> Mapping[str, Sequence[CachedObject]]:
        found: dict[str, list[CachedObject]] = {}
        for key, item in self.objects.items():
            if not item.managed:
                found.setdefault(key.kind, []).append(item)
        return {kind: sorted(items, key=lambda item: item.age) for kind, items in found.items()}

    def managed(self, key: ObjectKey) -> CachedObject | None:
        """A managed object."""
        found = self.objects.get(key)
        return found if found and found.managed else None


@dataclass(frozen=True)
class KubernetesLive(Live):
    """See ports.target.Live."""

    observation: Observation = field(default_factory=lambda: Observation(""))


_MESH = "mesh"


def applies_to_sidecars(spec: Mapping[str, Any]) -> bool:
    """Whether a VirtualService applies to sidecars, and not only to gateways."""
    gateways = spec.get("gateways") or ()
    return not gateways or _MESH in gateways


def is_visible(other: CachedObject, namespace: str) -> bool:
    """Whether a VirtualService is visible to workloads in `namespace`."""
    to = other.content.get("exportTo") or ("*",)
    return "*" in to or namespace in to or ("." in to and other.key.namespace == namespace)


def full_hosts(other: CachedObject) -> frozenset[str]:
    """The full names of its hosts."""
    return frozenset(full_host(host, other.key.namespace) for host in other.content.get("hosts") or ())


def full_host(host: str, namespace: str) -> str:
    """A name without a dot is a Service in the same namespace."""
    return host.lower() if "." in host or "*" in host else f"{host}.{namespace}.svc.cluster.local"
