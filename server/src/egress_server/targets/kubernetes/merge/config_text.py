"""Our values inside a text that a ConfigMap of Istio's holds: only they go in, and only they come out again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, Object
from egress_server.targets.kubernetes.api.managed_fields import holders
from egress_server.targets.kubernetes.configmap.splice import SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused

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
