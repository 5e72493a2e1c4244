"""Owned fields inside the texts of Istio's ConfigMaps, and the outbound mode in MeshConfig."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import managers_of
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, restore_mode, set_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import PreviousText, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import (
    POLICY,
    OwnedFieldsRefused,
    Spec,
    release_object,
    unless_changed,
)

CONFIG_UNREADABLE = "CONFIG_UNREADABLE"
"""Reason of a Problem: the text can't be edited safely, so it was left unchanged."""


def get_text(raw: Object, key: str) -> str | None:
    """The text under `key`; None if the ConfigMap has none."""
    text: str | None = (raw.get("data") or {}).get(key)
    return text


def set_text(raw: Object, key: str, text: str | None) -> Object:
    """The ConfigMap with another text, or without any if None."""
    others = {name: value for name, value in (raw.get("data") or {}).items() if name != key}
    return {**raw, "data": others if text is None else {**others, key: text}}


def text_manager(found: CachedObject, key: str) -> str:
    """Who manages the text, other than us."""
    others = [each for each in managers_of(found.managed_fields, ("data", key)) if each != FIELD_MANAGER]
    return next(iter(others), found.writer)


@contextmanager
def splice_errors(key: ObjectKey, name: str) -> Iterator[None]:
    """Raises OwnedFieldsRefused CONFIG_UNREADABLE if the text can't be edited."""
    try:
        yield
    except SpliceError as error:
        raise OwnedFieldsRefused(
            CONFIG_UNREADABLE,
            f"{name} in ConfigMap {key.namespace}/{key.name} can't be edited and was left unchanged: {error}",
        ) from error


def config_map_key(raw: Object) -> ObjectKey:
    """The key of a ConfigMap."""
    metadata: Mapping[str, Any] = raw["metadata"]
    return ObjectKey("ConfigMap", metadata["namespace"], metadata["name"])


MESH_CONFIG = "MeshConfig"


class MeshConfigFields:
    """The outbound mode in MeshConfig, which is text in one of Istio's ConfigMaps.

    See merge.owned_fields.OwnedFields. The previous value is what `set_mode` replaced, whether there was a text at all,
    and its manager.
    """

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The mode as written; an empty policy has an effective mode, but none is written."""
        mode = _written_mode(found.content.get(KEY))
        return None if mode is None else {POLICY: {"mode": mode}}

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:
        """Raises OwnedFieldsRefused CONFIG_UNREADABLE."""
        if unchanged := unless_changed(self, found, saved):
            return unchanged.previous
        text = found.content.get(KEY)
        with splice_errors(found.key, KEY):
            _, previous_text = set_mode(text, spec[POLICY]["mode"])
        return {"before": asdict(previous_text), "missing": text is None, "manager": text_manager(found, KEY)}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        fields_object: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """Only the mode. Raises OwnedFieldsRefused CONFIG_UNREADABLE."""
        text = get_text(raw, KEY)
        with splice_errors(config_map_key(raw), KEY):
            new, _ = set_mode(text, fields_object["spec"][POLICY]["mode"])
        return raw if new == text else await client.replace(kind, set_text(raw, KEY, new))

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """The previous mode, or none; a mode that another client has changed since stays. The text itself is removed
        only if there was none before and nothing else was written into it."""
        text = get_text(raw, KEY)
        if text is None or _written_mode(text) != spec[POLICY]["mode"]:
            return await release_object(client, kind, raw, raw)
        restored = restore_mode(text, PreviousText(**previous["before"]))
        remove = previous["missing"] and not restored
        return await release_object(
            client, kind, raw, set_text(raw, KEY, None if remove else restored), previous["manager"]
        )


def _written_mode(text: str | None) -> str | None:
    try:
        return written_mode(text)
    except SpliceError:
        return None
