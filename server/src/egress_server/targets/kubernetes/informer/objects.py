"""An object as the API server last returned it, kept small: without its status, apart from the addresses that istiod
allocates, and without anything that is never read.

managedFields are kept only for the kinds that we write into although they are unmanaged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import Object
from egress_server.targets.kubernetes.api.kinds import ANNOTATION_PREFIX, GATEWAY_ROUTES
from egress_server.targets.kubernetes.api.managed_fields import last_writer
from egress_server.targets.kubernetes.informer.endpoint_slices import addresses_by_readiness

ISTIO_API_VERSION = "networking.istio.io/v1"
_CONTENT = ("spec", "data")
_DROPPED_METADATA = frozenset({"managedFields", "selfLink", "generation"})
_KEPT_CONTENT: Mapping[str, tuple[str, ...]] = {
    "Namespace": (),
    "Service": ("ports", "clusterIPs", "type", "externalName"),
    "WorkloadEntry": ("address", "labels"),
    **{kind.name: ("parentRefs",) for kind in GATEWAY_ROUTES},
}
"""Of these kinds only this part of the content is kept."""
_WITH_MANAGED_FIELDS = frozenset({"Sidecar", "VirtualService", "ConfigMap"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class CachedObject:
    """`content` is its spec, the data of a ConfigMap, or the addresses in an EndpointSlice by readiness; `writer` is
    who last changed a field, other than us. `allocated` are the hosts of a ServiceEntry with the addresses that istiod
    has allocated to them."""

    key: ObjectKey
    metadata: Mapping[str, Any]
    content: Any
    writer: str = ""
    managed_fields: tuple[Mapping[str, Any], ...] = ()
    allocated: tuple[tuple[str, str], ...] = ()

    @property
    def uid(self) -> str:
        """Distinguishes it from others that had this name before."""
        uid: str = self.metadata["uid"]
        return uid

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        version: str = self.metadata["resourceVersion"]
        return version

    @property
    def create_time(self) -> datetime:
        """By the API server's clock, to the second."""
        return datetime.fromisoformat(self.metadata["creationTimestamp"])

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts older objects first, as Istio does: those of equal age by name, then by namespace."""
        return self.metadata["creationTimestamp"], self.key.name, self.key.namespace

    @property
    def labels(self) -> Mapping[str, str]:
        """All of its labels."""
        return self.metadata.get("labels") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """All of its annotations."""
        return self.metadata.get("annotations") or {}

    @property
    def managed(self) -> bool:
        """Whether we created it."""
        return self.labels.items() >= MANAGED_BY.items()

    @property
    def terminating(self) -> bool:
        """Whether it was deleted and only waits for a finalizer."""
        return "deletionTimestamp" in self.metadata

    def content_equals(self, other: "CachedObject") -> bool:
        """Whether nothing differs that is read here, apart from allocated addresses."""
        return (
            self.content == other.content
            and self.labels == other.labels
            and self.annotations == other.annotations
            and self.terminating == other.terminating
            and self.uid == other.uid
        )

    def as_desired(self) -> IstioObject:
        """A managed object in the form of desired state: only what we write."""
        kept = {name: value for name, value in self.annotations.items() if name.startswith(ANNOTATION_PREFIX)}
        return {
            "apiVersion": ISTIO_API_VERSION if self.key.kind in _ISTIO_KINDS else ADMISSION_API_VERSION,
            "kind": self.key.kind,
            "metadata": {
                "name": self.key.name,
                "namespace": self.key.namespace,
                "labels": {name: value for name, value in self.labels.items() if name in MANAGED_BY},
                "annotations": kept,
            },
            "spec": self.content,
        }


ADMISSION_API_VERSION = "admissionregistration.k8s.io/v1"
_ISTIO_KINDS = frozenset({"ServiceEntry", "VirtualService", "DestinationRule", "Sidecar"})


def cached_object(kind: str, obj: Object) -> CachedObject:
    """What is kept of an object."""
    raw = obj["metadata"]
    metadata = {name: value for name, value in raw.items() if name not in _DROPPED_METADATA}
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
    fields = raw.get("managedFields") or ()
    key = ObjectKey(kind, raw.get("namespace", ""), raw["name"])
    return CachedObject(
        key,
        metadata,
        _content(kind, obj),
        last_writer(fields),
        tuple(fields) if kind in _WITH_MANAGED_FIELDS else (),
        tuple(_allocated(obj)) if kind == "ServiceEntry" else (),
    )


def _content(kind: str, obj: Object) -> Any:
    if kind == "EndpointSlice":
        return addresses_by_readiness(obj)
    content: Any = next((obj[part] for part in _CONTENT if part in obj), {})
    if kind in _KEPT_CONTENT:
        return {name: content[name] for name in _KEPT_CONTENT[kind] if name in content}
    return content


def _allocated(entry: Object) -> Iterator[tuple[str, str]]:
    for allocated in (entry.get("status") or {}).get("addresses") or ():
        if "host" in allocated and "value" in allocated:
            yield allocated["host"], allocated["value"]
