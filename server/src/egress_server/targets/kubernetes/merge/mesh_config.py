"""The outbound mode in MeshConfig, which is text in a ConfigMap of Istio's."""

from dataclasses import asdict
from typing import Any

from egress_server.domain.model.objects import IstioObject
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, restore_mode, set_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import Before, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.config_text import holder_of, key_of_raw, readable, text_of, with_text
from egress_server.targets.kubernetes.merge.owned_fields import Spec, give_back, same_as_left

MESH_CONFIG = "MeshConfig"
POLICY = "outboundTrafficPolicy"


class MeshConfigFields:
    """See parts.part.Part. What was before is what setting the mode found, whether there was a text at all, and who
    held it."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The mode that is written out; an empty policy means one, but does not say it."""
        mode = _written(found.content.get(KEY))
        return None if mode is None else {POLICY: {"mode": mode}}

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:
        """Raises PartRefused CONFIG_UNREADABLE."""
        if left := same_as_left(self, found, former):
            return left.was
        text = found.content.get(KEY)
        with readable(found.key, KEY):
            _, before = set_mode(text, spec[POLICY]["mode"])
        return {"before": asdict(before), "missing": text is None, "manager": holder_of(found, KEY)}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        part: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """Only the mode. Raises PartRefused CONFIG_UNREADABLE."""
        text = text_of(raw, KEY)
        with readable(key_of_raw(raw), KEY):
            new, _ = set_mode(text, part["spec"][POLICY]["mode"])
        return raw if new == text else await client.replace(kind, with_text(raw, KEY, new))

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """The mode that was there, or none; one that somebody has changed since is theirs and stays. The text itself
        goes only where there was none and nobody has written into it."""
        text = text_of(raw, KEY)
        if text is None or _written(text) != spec[POLICY]["mode"]:
            return await give_back(client, kind, raw, raw)
        restored = restore_mode(text, Before(**was["before"]))
        gone = was["missing"] and not restored
        return await give_back(client, kind, raw, with_text(raw, KEY, None if gone else restored), was["manager"])


def _written(text: str | None) -> str | None:
    try:
        return written_mode(text)
    except SpliceError:
        return None
