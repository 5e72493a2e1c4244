"""An object as the API server last told of it, kept small: without its status, and without what nobody asks for.

Who set which field is kept only where it matters: of the kinds that are written into though they are not ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import Object
from egress_server.targets.kubernetes.api.kinds import OUR_ANNOTATIONS
from egress_server.targets.kubernetes.api.managed_fields import last_writer

ISTIO_API_VERSION = "networking.istio.io/v1"
_CONTENT = ("spec", "data")
_NOT_KEPT = frozenset({"managedFields", "selfLink", "generation"})
_LITTLE: Mapping[str, tuple[str, ...]] = {"Namespace": (), "Service": ("ports", "clusterIPs", "type", "externalName")}
"""Kinds of which not all of the content is kept, but only this."""
_MANAGED = frozenset({"Sidecar", "VirtualService", "ConfigMap"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class CachedObject:
    """`content` is its spec, or the data of a ConfigMap. `writer` is who last set a field of it, besides us; `managed`
    is what it says of who set what."""

    key: ObjectKey
    metadata: Mapping[str, Any]
    content: Any
    writer: str = ""
    managed: tuple[Mapping[str, Any], ...] = ()

    @property
    def uid(self) -> str:
        """Which object of that name it is."""
        uid: str = self.metadata["uid"]
        return uid

    @property
    def version(self) -> str:
        """Of its content, as the API server counts."""
        version: str = self.metadata["resourceVersion"]
        return version

    @property
    def create_time(self) -> datetime:
        """By the API server's clock, to the second."""
        return datetime.fromisoformat(self.metadata["creationTimestamp"])

    @property
    def age(self) -> tuple[str, str, str]:
        """Sorts the older first, as Istio does: of equal age by name, then by namespace."""
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
    def ours(self) -> bool:
        """Whether we made it."""
        return self.labels.items() >= MANAGED_BY.items()

    @property
    def going(self) -> bool:
        """Whether it has been deleted and only waits for somebody's finalizer."""
        return "deletionTimestamp" in self.metadata

    def same_as(self, other: "CachedObject") -> bool:
        """Whether nothing has changed that anybody here looks at."""
        return (
            self.content == other.content
            and self.labels == other.labels
            and self.annotations == other.annotations
            and self.going == other.going
            and self.uid == other.uid
        )

    def normal(self) -> IstioObject:
        """As what is wanted looks, of an object of ours: only what we write."""
        kept = {name: value for name, value in self.annotations.items() if name.startswith(OUR_ANNOTATIONS)}
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
    metadata = {name: value for name, value in raw.items() if name not in _NOT_KEPT}
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {k: v for k, v in metadata["annotations"].items() if k != _LAST_APPLIED}
    fields = raw.get("managedFields") or ()
    content: Any = next((obj[part] for part in _CONTENT if part in obj), {})
    if kind in _LITTLE:
        content = {name: content[name] for name in _LITTLE[kind] if name in content}
    key = ObjectKey(kind, raw.get("namespace", ""), raw["name"])
    return CachedObject(key, metadata, content, last_writer(fields), tuple(fields) if kind in _MANAGED else ())
