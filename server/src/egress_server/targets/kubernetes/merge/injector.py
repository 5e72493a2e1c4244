"""The values that Istio's injector gives to new pods, inside JSON in one of Istio's ConfigMaps.

An invalid value keeps every new pod of the mesh from starting. So istiod checks the values on a dry-run pod before and
after they are written (interception/dry_run.py). If new pods don't get them, the previous values are restored, and the
same write is not repeated until the ConfigMap or the values change.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import IstioObject
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.configmap.injector import (
    KEY,
    invalid_value,
    read_values,
    restore_values,
    set_values,
)
from egress_server.targets.kubernetes.configmap.splice import PreviousText, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.informer.watch_specs import revision_of_injector
from egress_server.targets.kubernetes.interception.dry_run import InjectionDenied, InjectionDryRun
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.mesh_config import (
    CONFIG_UNREADABLE,
    config_map_key,
    get_text,
    set_text,
    splice_errors,
    text_manager,
)
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, Spec, release_object

INJECTOR_VALUES = "InjectorValues"
VALUES_REFUSED = "VALUES_REFUSED"
_TRIES = 4


class InjectorFields:
    """See merge.owned_fields.OwnedFields. The previous value is what setting each value replaced, and the manager of
    the text."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The values, whoever set them."""
        return _values(found.content.get(KEY))

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:
        """Value by value. Raises OwnedFieldsRefused CONFIG_UNREADABLE, VALUES_REFUSED."""
        text = found.content.get(KEY)
        if text is None:
            name = f"{found.key.namespace}/{found.key.name}"
            raise OwnedFieldsRefused(CONFIG_UNREADABLE, f"ConfigMap {name} has no {KEY}")
        if invalid := invalid_value(spec):
            raise OwnedFieldsRefused(VALUES_REFUSED, invalid)
        if saved and saved.previous.get("refused") == _fingerprint(text, spec):
            raise OwnedFieldsRefused(VALUES_REFUSED, saved.previous["why"])
        with splice_errors(found.key, KEY):
            now = read_values(text)
            current = _as_data(set_values(text, spec)[1])
        kept = _still_ours(saved.previous, now, saved.spec) if saved else {}
        return {"before": {**current, **kept}, "manager": text_manager(found, KEY)}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        fields_object: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """The values, if new pods get them. Raises OwnedFieldsRefused CONFIG_UNREADABLE, VALUES_REFUSED."""
        values, text = fields_object["spec"], get_text(raw, KEY) or ""
        with splice_errors(config_map_key(raw), KEY):
            now = read_values(text)
            new, previous_text = set_values(text, values)
        if new == text:
            return raw
        dry_run = await InjectionDryRun.begin(client, revision_of_injector(raw["metadata"]["name"]), now)
        try:
            await dry_run.check(values)
            written = await client.replace(kind, set_text(raw, KEY, new))
            try:
                await dry_run.confirm(values)
            except InjectionDenied:
                await _undo(client, kind, written, values, previous_text)
                raise
        except InjectionDenied as denied:
            to_save = {"refused": _fingerprint(text, values), "why": str(denied)}
            raise OwnedFieldsRefused(VALUES_REFUSED, str(denied), to_save) from denied
        return written

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """The previous values; those that another client has changed since stay."""
        text = get_text(raw, KEY)
        now = _values(text)
        if text is None or now is None:
            return await release_object(client, kind, raw, raw)
        restored = restore_values(text, _from_data(_still_ours(previous, now, spec)))
        return await release_object(client, kind, raw, set_text(raw, KEY, restored), previous["manager"])


async def _undo(
    client: ApiClient, kind: ApiKind, written: Object, values: Spec, previous_text: Mapping[str, PreviousText]
) -> None:
    """Restores what was there before `written`, unless another client has set other values meanwhile."""
    current: Object | None = written
    key = config_map_key(written)
    for _ in range(_TRIES):
        text = get_text(current, KEY) if current else None
        if current is None or text is None or _values(text) != values:
            return
        restored = set_text(current, KEY, restore_values(text, previous_text))
        try:
            await release_object(client, kind, current, restored, text_manager(cached_object(kind.name, current), KEY))
            return
        except ApiError as error:
            if not error.conflict:
                raise
        current = await client.find(kind, key.namespace, key.name)
    raise TransientError(
        CONFLICT, f"conflict: ConfigMap {key.namespace}/{key.name} is being modified by another client"
    )


def _values(text: str | None) -> Spec | None:
    try:
        return None if text is None else read_values(text)
    except SpliceError:
        return None


def _still_ours(previous: Any, now: Spec, ours: Spec) -> dict[str, Any]:
    """The previous values of those that we set and that were not changed since."""
    return {name: each for name, each in previous["before"].items() if now.get(name) == ours[name]}


def _as_data(previous_text: Mapping[str, PreviousText]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in previous_text.items()}


def _from_data(data: Mapping[str, Any]) -> dict[str, PreviousText]:
    return {name: PreviousText(**each) for name, each in data.items()}


def _fingerprint(text: str, values: Spec) -> str:
    """Identifies these values in this text."""
    return hashlib.sha256(orjson.dumps([text, dict(values)], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
