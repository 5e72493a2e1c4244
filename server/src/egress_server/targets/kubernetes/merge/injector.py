"""The values that Istio's injector gives new pods, inside the JSON in a ConfigMap of Istio's.

A bad value keeps every new pod of the mesh from starting. So istiod is asked by a pod for trial before and after they
are written (injection_trial.py); where new pods do not get them, what was there comes back, and the same is not tried
again until the ConfigMap or the values are others.
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
    read_values,
    restore_values,
    set_values,
    what_is_wrong,
)
from egress_server.targets.kubernetes.configmap.splice import Before, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject, cached_object
from egress_server.targets.kubernetes.informer.watch_specs import revision_of_injector
from egress_server.targets.kubernetes.interception.dry_run import Denied, InjectionTrial
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.mesh_config import (
    CONFIG_UNREADABLE,
    holder_of,
    key_of_raw,
    readable,
    text_of,
    with_text,
)
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFieldsRefused, Spec, give_back

INJECTOR_VALUES = "InjectorValues"
VALUES_REFUSED = "VALUES_REFUSED"
_TRIES = 4


class InjectorFields:
    """See parts.part.Part. What was before is what setting each value found, and who held the text."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The values, whoever set them."""
        return _values(found.content.get(KEY))

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:
        """Value by value. Raises PartRefused CONFIG_UNREADABLE, VALUES_REFUSED."""
        text = found.content.get(KEY)
        if text is None:
            name = f"{found.key.namespace}/{found.key.name}"
            raise OwnedFieldsRefused(CONFIG_UNREADABLE, f"ConfigMap {name} has no {KEY}")
        if wrong := what_is_wrong(spec):
            raise OwnedFieldsRefused(VALUES_REFUSED, wrong)
        if former and former.was.get("refused") == _attempt(text, spec):
            raise OwnedFieldsRefused(VALUES_REFUSED, former.was["why"])
        with readable(found.key, KEY):
            now = read_values(text)
            fresh = _as_data(set_values(text, spec)[1])
        left = _still(former.was, now, former.spec) if former else {}
        return {"before": {**fresh, **left}, "manager": holder_of(found, KEY)}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        part: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """The values, if new pods get them. Raises PartRefused CONFIG_UNREADABLE, VALUES_REFUSED."""
        values, text = part["spec"], text_of(raw, KEY) or ""
        with readable(key_of_raw(raw), KEY):
            now = read_values(text)
            new, before = set_values(text, values)
        if new == text:
            return raw
        trial = await InjectionTrial.begin(client, revision_of_injector(raw["metadata"]["name"]), now)
        try:
            await trial.ask(values)
            answer = await client.replace(kind, with_text(raw, KEY, new))
            try:
                await trial.confirm(values)
            except Denied:
                await _undo(client, kind, answer, values, before)
                raise
        except Denied as denied:
            memory = {"refused": _attempt(text, values), "why": str(denied)}
            raise OwnedFieldsRefused(VALUES_REFUSED, str(denied), memory) from denied
        return answer

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """The values that were there; those that somebody has changed since are theirs and stay."""
        text = text_of(raw, KEY)
        now = _values(text)
        if text is None or now is None:
            return await give_back(client, kind, raw, raw)
        restored = restore_values(text, _as_before(_still(was, now, spec)))
        return await give_back(client, kind, raw, with_text(raw, KEY, restored), was["manager"])


async def _undo(client: ApiClient, kind: ApiKind, written: Object, values: Spec, before: Mapping[str, Before]) -> None:
    """What was there before `written`, unless somebody else has set other values meanwhile."""
    found: Object | None = written
    key = key_of_raw(written)
    for _ in range(_TRIES):
        text = text_of(found, KEY) if found else None
        if found is None or text is None or _values(text) != values:
            return
        restored = with_text(found, KEY, restore_values(text, before))
        try:
            await give_back(client, kind, found, restored, holder_of(cached_object(kind.name, found), KEY))
            return
        except ApiError as refusal:
            if not refusal.conflict:
                raise
        found = await client.find(kind, key.namespace, key.name)
    raise TransientError(CONFLICT, f"others keep changing ConfigMap {key.namespace}/{key.name}")


def _values(text: str | None) -> Spec | None:
    try:
        return None if text is None else read_values(text)
    except SpliceError:
        return None


def _still(was: Any, now: Spec, ours: Spec) -> dict[str, Any]:
    """What was before the values that are still ours."""
    return {name: each for name, each in was["before"].items() if now.get(name) == ours[name]}


def _as_data(before: Mapping[str, Before]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in before.items()}


def _as_before(data: Mapping[str, Any]) -> dict[str, Before]:
    return {name: Before(**each) for name, each in data.items()}


def _attempt(text: str, values: Spec) -> str:
    """Stands for these values in this text."""
    return hashlib.sha256(orjson.dumps([text, dict(values)], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
