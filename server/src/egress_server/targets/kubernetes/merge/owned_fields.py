"""What is asked of each kind of part."""

from collections.abc import Mapping
from typing import Any, Protocol

from egress_server.domain.model.objects import RESOURCE_ANNOTATION, IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import mentions_us, without_us
from egress_server.targets.kubernetes.informer.objects import ISTIO_API_VERSION, CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields

Spec = Mapping[str, Any]

FOREIGN_OWNER = "FOREIGN_OWNER"
"""The reason of a Problem that says: something that is not ours stands in the way."""
POLICY = "outboundTrafficPolicy"
FORCED_ANNOTATION = "egress.mesh/forced"
"""Of a part, in memory only: somebody allowed us to overrule others there."""


class OwnedFieldsRefused(Exception):
    """A part can't be put there, or taken back; reason and message are those of a Problem. `memory` is to be remembered
    beside what was before."""

    def __init__(self, reason: str, message: str, memory: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.memory = memory


class OwnedFields(Protocol):
    """One kind of part. `spec` is the part's own, `raw` the whole object as the server has it."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:
        """Our part as it is there, where `spec` is what we put there last; None where nothing of it is left."""

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:
        """What has to be put back some day, if `spec` is put there now; `former` is what is remembered of the last
        time."""

    async def write(
        self, client: ApiClient, kind: ApiKind, raw: Object, fields_object: IstioObject, former: Spec | None
    ) -> Object:
        """Puts the part there, in the place of the `former` one, by the version of `raw`. What the object became."""

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """Puts back what was there before, by the version of `raw`. What the object became."""


def fields_object(
    key: ObjectKey,
    resource: str,
    spec: Spec,
    *,
    forced: bool = False,
    annotations: Mapping[str, str] | None = None,
    api_version: str = ISTIO_API_VERSION,
) -> IstioObject:
    """A part, as what is wanted and as what is there alike: it has no label, since the object is not ours."""
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


def same_as_left(way: OwnedFields, found: CachedObject, former: SavedFields | None) -> SavedFields | None:
    """`former`, where what was put there last still stands: then what was before that is what has to be put back."""
    return former if former and way.read(found, former.spec) == former.spec else None


def is_fields_object(obj: IstioObject) -> bool:
    """Whether an object is only our part of one."""
    return not obj["metadata"]["labels"]


def is_forced(obj: IstioObject) -> bool:
    """Whether somebody allowed us to overrule others there."""
    return FORCED_ANNOTATION in obj["metadata"]["annotations"]


async def give_back(client: ApiClient, kind: ApiKind, raw: Object, restored: Object, manager: str = "") -> Object:
    """Replaces `raw` by what it is to be, by its version. What is put back is `manager`'s again, where it is known who
    that was."""
    if restored == raw and not mentions_us(raw):
        return raw
    answer = await client.replace(kind, without_us(restored), manager=manager or FIELD_MANAGER)
    # What was put back in our own name is nobody's then.
    return await client.replace(kind, without_us(answer)) if mentions_us(answer) else answer
