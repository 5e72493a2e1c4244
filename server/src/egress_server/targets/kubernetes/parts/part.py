"""What is asked of each kind of part."""

from collections.abc import Mapping
from typing import Any, Protocol

from egress_server.domain.render.objects import RESOURCE_ANNOTATION, IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import Client, Object
from egress_server.targets.kubernetes.api.kinds import Kind
from egress_server.targets.kubernetes.following.seen import ISTIO_API_VERSION, Seen
from egress_server.targets.kubernetes.state import Held

Spec = Mapping[str, Any]

FOREIGN_OWNER = "FOREIGN_OWNER"
"""The reason of a Problem that says: something that is not ours stands in the way."""
FORCED_ANNOTATION = "egress.mesh/forced"
"""Of a part, in memory only: somebody allowed us to overrule others there."""


class PartRefused(Exception):
    """A part can't be put there, or taken back; reason and message are those of a Problem. `memory` is to be remembered
    beside what was before."""

    def __init__(self, reason: str, message: str, memory: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.memory = memory


class Part(Protocol):
    """One kind of part. `spec` is the part's own, `raw` the whole object as the server has it."""

    def read(self, found: Seen, spec: Spec) -> Spec | None:
        """Our part as it is there, where `spec` is what we put there last; None where nothing of it is left."""

    def before(self, found: Seen, spec: Spec, former: Held | None) -> Any:
        """What has to be put back some day, if `spec` is put there now; `former` is what is remembered of the last
        time."""

    async def write(self, client: Client, kind: Kind, raw: Object, part: IstioObject, former: Spec | None) -> Object:
        """Puts the part there, in the place of the `former` one, by the version of `raw`. What the object became."""

    async def take_back(self, client: Client, kind: Kind, raw: Object, spec: Spec, was: Any) -> Object:
        """Puts back what was there before, by the version of `raw`. What the object became."""


def part(
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


def same_as_left(way: Part, found: Seen, former: Held | None) -> Held | None:
    """`former`, where what was put there last still stands: then what was before that is what has to be put back."""
    return former if former and way.read(found, former.spec) == former.spec else None


def is_part(obj: IstioObject) -> bool:
    """Whether an object is only our part of one."""
    return not obj["metadata"]["labels"]


def is_forced(obj: IstioObject) -> bool:
    """Whether somebody allowed us to overrule others there."""
    return FORCED_ANNOTATION in obj["metadata"]["annotations"]
