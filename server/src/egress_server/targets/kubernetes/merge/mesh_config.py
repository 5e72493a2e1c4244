"""Our values inside a text that a ConfigMap of Istio's holds: only they go in, and only they come out again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import holders
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, restore_mode, set_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import Before, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import (
    POLICY,
    OwnedFieldsRefused,
    Spec,
    give_back,
    same_as_left,
)

CONFIG_UNREADABLE = "CONFIG_UNREADABLE"
"""The reason of a Problem that says: nobody could edit this text with certainty, so it is left alone."""


def text_of(raw: Object, key: str) -> str | None:
    """The text below `key`; None where the ConfigMap has none."""
    text: str | None = (raw.get("data") or {}).get(key)
    return text


def with_text(raw: Object, key: str, text: str | None) -> Object:
    """The ConfigMap with another text; without any for None."""
    others = {name: value for name, value in (raw.get("data") or {}).items() if name != key}
    return {**raw, "data": others if text is None else {**others, key: text}}


def holder_of(found: CachedObject, key: str) -> str:
    """Who has written the text, besides us."""
    others = [each for each in holders(found.managed, ("data", key)) if each != FIELD_MANAGER]
    return next(iter(others), found.writer)


@contextmanager
def readable(key: ObjectKey, name: str) -> Iterator[None]:
    """Raises PartRefused CONFIG_UNREADABLE where the text can't be edited."""
    try:
        yield
    except SpliceError as error:
        raise OwnedFieldsRefused(
            CONFIG_UNREADABLE, f"{name} in ConfigMap {key.namespace}/{key.name} is left as it is: {error}"
        ) from error


def key_of_raw(raw: Object) -> ObjectKey:
    """Of the ConfigMap."""
    metadata: Mapping[str, Any] = raw["metadata"]
    return ObjectKey("ConfigMap", metadata["namespace"], metadata["name"])


MESH_CONFIG = "MeshConfig"


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
