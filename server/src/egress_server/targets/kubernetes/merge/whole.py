"""The whole spec of an object that has the name of one of ours, and that somebody allowed us to take over."""

from typing import Any

from egress_server.domain.model.objects import IstioObject
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import Spec, give_back, same_as_left


class WholeSpec:
    """See parts.part.Part. What was before is the spec, and who wrote it."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The spec, whoever wrote it."""
        content: Spec = found.content
        return content

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """The spec as it stands."""
        if left := same_as_left(self, found, former):
            return left.was
        return {"spec": found.content, "manager": found.writer}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        part: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """Our spec; labels and all else stay as they are."""
        return await client.replace(kind, {**raw, "spec": part["spec"]})

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """Their spec, unless somebody has changed it since."""
        restored = {**raw, "spec": was["spec"]} if raw["spec"] == spec else raw
        return await give_back(client, kind, raw, restored, was["manager"])
