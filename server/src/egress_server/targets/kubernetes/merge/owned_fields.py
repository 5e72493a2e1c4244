"""The protocol for fields that we own inside an unmanaged object, and what its implementations share."""

from collections.abc import Mapping
from typing import Any, Protocol

from egress_server.domain.model.objects import RESOURCE_ANNOTATION, IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import has_our_entries, without_our_entries
from egress_server.targets.kubernetes.informer.objects import ISTIO_API_VERSION, CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields

Spec = Mapping[str, Any]

FOREIGN_OWNER = "FOREIGN_OWNER"
"""Reason of a Problem: an unmanaged object is in the way."""
POLICY = "outboundTrafficPolicy"
FORCED_ANNOTATION = "egress.mesh/forced"
"""In memory only, on a fields object: the object was adopted, so other managers' values may be overruled."""


class OwnedFieldsRefused(Exception):
    """The fields can't be written or restored; reason and message are those of a Problem. `to_save` is to be saved
    with the previous value."""

    def __init__(self, reason: str, message: str, to_save: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.to_save = to_save


class OwnedFields(Protocol):
    """One kind of fields. `spec` is the fields alone, `raw` the whole object as the server has it."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:
        """Our fields as they are on the cluster, where we last wrote `spec`; None if nothing is left of them."""

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:
        """What has to be restored later if `spec` is written now; `saved` is what was saved the last time."""

    async def write(
        self, client: ApiClient, kind: ApiKind, raw: Object, fields_object: IstioObject, former: Spec | None
    ) -> Object:
        """Writes the fields in place of the `former` ones, at the version of `raw`. Returns the object as stored."""

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """Restores the previous value, at the version of `raw`. Returns the object as stored."""


def fields_object(
    key: ObjectKey,
    resource: str,
    spec: Spec,
    *,
    forced: bool = False,
    annotations: Mapping[str, str] | None = None,
    api_version: str = ISTIO_API_VERSION,
) -> IstioObject:
    """Owned fields in the form of an object, both as desired and as live. It has no label, since the object that
    contains them is unmanaged."""
    marks = {RESOURCE_ANNOTATION: resource} | ({FORCED_ANNOTATION: "true"} if forced else {})
    return {
        "apiVersion": api_version,
        "kind": key.kind,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {},
            "annotations": {**marks, **(annotations or {})},
        },
        "spec": dict(spec),
    }


def unless_changed(fields: OwnedFields, found: CachedObject, saved: SavedFields | None) -> SavedFields | None:
    """`saved`, if what we wrote last is still there: then its previous value is still the one to restore."""
    return saved if saved and fields.read(found, saved.spec) == saved.spec else None


def is_fields_object(obj: IstioObject) -> bool:
    """Whether an object is owned fields only."""
    return not obj["metadata"]["labels"]


def is_forced(obj: IstioObject) -> bool:
    """Whether other managers' values may be overruled."""
    return FORCED_ANNOTATION in obj["metadata"]["annotations"]


async def release_object(client: ApiClient, kind: ApiKind, raw: Object, restored: Object, manager: str = "") -> Object:
    """Replaces `raw`, at its version, by `restored` without our entries in its managedFields. The restored fields
    belong to `manager` again, if it is known."""
    if restored == raw and not has_our_entries(raw):
        return raw
    written = await client.replace(kind, without_our_entries(restored), manager=manager or FIELD_MANAGER)
    # What was restored under our own name belongs to no manager afterwards.
    return await client.replace(kind, without_our_entries(written)) if has_our_entries(written) else written
