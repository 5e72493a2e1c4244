"""What was observed on a cluster, frozen: everything that projection may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from egress_server.domain.istio.manifest import full_name
from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.observed.inventory import Capabilities, IgnoredObject
from egress_server.ports.target import Live
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP, ISTIO_KINDS, WORKLOAD_ENTRY
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, UNREADABLE, effective_mode, read_data
from egress_server.targets.kubernetes.configmap.mesh_settings import ignored_namespaces, read_mesh_settings
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import UNEVALUATED_KINDS, mesh_config_name
from egress_server.targets.kubernetes.last_applied import SavedFields

REVISION_LABEL = "istio.io/rev"
DEFAULT_REVISION = "default"
"""The revision of an istiod that was installed without one."""
_READ_KINDS = frozenset(kind.name for kind in (*ISTIO_KINDS, WORKLOAD_ENTRY, *UNEVALUATED_KINDS))
"""What istiod reads as configuration, depending on its revision."""


@dataclass(frozen=True)
class Observation:
    """`objects` are those of Istio's kinds, Istio's ConfigMaps and the admission policies, managed and foreign;
    `namespaces` has the labels of each; `service_ranges` are the cluster's own service CIDRs, empty if it does not say;
    `saved` is the record of fields we own inside unmanaged objects. `former_mesh_config` is the last text of MeshConfig
    that istiod can have read; `auto_allocate` is whether istiod allocates addresses for entries by default."""

    root: str
    revision: str = ""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=Capabilities)
    dynamic_dns: bool = True
    auto_allocate: bool = True
    service_ranges: tuple[str, ...] = ()
    objects: Mapping[ObjectKey, CachedObject] = field(default_factory=dict)
    saved: Mapping[ObjectKey, SavedFields] = field(default_factory=dict)
    former_mesh_config: str | None = None

    @property
    def istio_revision(self) -> str:
        """The revision that istiod was installed with."""
        return self.revision or DEFAULT_REVISION

    @property
    def mesh_config(self) -> str | None:
        """MeshConfig's text; None if there is no such ConfigMap."""
        found = self.objects.get(ObjectKey(CONFIG_MAP.name, self.root, mesh_config_name(self.revision)))
        return None if found is None else found.content.get(KEY, "")

    @property
    def mesh_config_in_effect(self) -> str | None:
        """MeshConfig's text as istiod uses it: it keeps the former one while it can't read the current one. None if it
        is not known."""
        text = self.mesh_config
        return text if text is None or is_readable(text) else self.former_mesh_config

    @cached_property
    def mesh_settings(self) -> MeshSettings:
        """What MeshConfig decides besides the outbound mode."""
        data = read_data(self.mesh_config_in_effect) or {}
        return read_mesh_settings(data, self.namespaces, auto_allocate=self.auto_allocate)

    @cached_property
    def ignored_namespaces(self) -> frozenset[str]:
        """The namespaces in which istiod reads nothing."""
        return frozenset(ignored_namespaces(read_data(self.mesh_config_in_effect) or {}, self.namespaces))

    def foreign(self, kind: str, namespace: str | None = None) -> Sequence[CachedObject]:
        """The unmanaged objects of a kind that istiod reads, oldest first."""
        found = self._foreign.get(kind, ())
        return found if namespace is None else [item for item in found if item.key.namespace == namespace]

    @cached_property
    def _foreign(self) -> Mapping[str, Sequence[CachedObject]]:
        found: dict[str, list[CachedObject]] = {}
        for key, item in self.objects.items():
            if not item.managed and not self.why_ignored(item):
                found.setdefault(key.kind, []).append(item)
        return {kind: sorted(items, key=lambda item: item.age) for kind, items in found.items()}

    @cached_property
    def ignored(self) -> tuple[IgnoredObject, ...]:
        """The unmanaged objects of Istio's kinds that istiod does not read."""
        foreign = (item for item in self.objects.values() if not item.managed)
        found = ((item.key, why) for item in foreign if (why := self.why_ignored(item)))
        return tuple(IgnoredObject(key.kind, key.namespace, key.name, why) for key, why in sorted(found))

    def why_ignored(self, item: CachedObject) -> str:
        """Why istiod does not read an object; empty if it does."""
        if item.key.kind not in _READ_KINDS:
            return ""
        labelled = item.labels.get(REVISION_LABEL)
        if labelled is not None and labelled != self.istio_revision:
            return f"its label {REVISION_LABEL} is {labelled}, and the revision of istiod is {self.istio_revision}"
        return self.why_namespace_ignored(item.key.namespace)

    def why_namespace_ignored(self, namespace: str) -> str:
        """Why istiod reads nothing in a namespace; empty if it does."""
        if namespace not in self.ignored_namespaces:
            return ""
        return f"istiod does not read namespace {namespace}: no discoverySelectors of MeshConfig match its labels"

    def export_to(self, item: CachedObject) -> Sequence[str]:
        """What a VirtualService or DestinationRule is exported to; MeshConfig has the default."""
        mesh, is_rule = self.mesh_settings, item.key.kind == "DestinationRule"
        default = mesh.default_destination_rule_export_to if is_rule else mesh.default_virtual_service_export_to
        return item.content.get("exportTo") or default or ("*",)

    def is_visible(self, item: CachedObject, namespace: str) -> bool:
        """Whether a VirtualService or DestinationRule is visible to workloads in `namespace`."""
        to = self.export_to(item)
        return "*" in to or namespace in to or ("." in to and item.key.namespace == namespace)

    def managed(self, key: ObjectKey) -> CachedObject | None:
        """A managed object."""
        found = self.objects.get(key)
        return found if found and found.managed else None


@dataclass(frozen=True)
class KubernetesLive(Live):
    """See ports.target.Live."""

    observation: Observation = field(default_factory=lambda: Observation(""))


@lru_cache(maxsize=256)
def is_readable(mesh_config: str) -> bool:
    """Whether istiod accepts a text as MeshConfig, as far as it is read here."""
    data = read_data(mesh_config)
    if data is None or effective_mode(mesh_config) == UNREADABLE:
        return False
    try:
        read_mesh_settings(data, {}, auto_allocate=True)
        ignored_namespaces(data, {})
    except ValueError:
        return False
    return True


_MESH = "mesh"


def applies_to_sidecars(spec: Mapping[str, Any]) -> bool:
    """Whether a VirtualService applies to sidecars, and not only to gateways."""
    gateways = spec.get("gateways") or ()
    return not gateways or _MESH in gateways


def full_hosts(other: CachedObject) -> frozenset[str]:
    """The full names of its hosts, in lower case as Istio compares them."""
    return frozenset(full_name(host, other.key.namespace).lower() for host in other.content.get("hosts") or ())
