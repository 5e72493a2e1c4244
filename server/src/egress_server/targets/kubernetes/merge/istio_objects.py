"""The outbound mode in a Sidecar of others, by server-side apply: the API server itself then knows which field is ours,
and tells others so."""

from collections.abc import Iterable, Mapping
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import Entry, holders
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import (
    FOREIGN_OWNER,
    POLICY,
    OwnedFieldsRefused,
    Spec,
    give_back,
    is_forced,
    same_as_left,
)

_PATH = ("spec", POLICY, "mode")


class SidecarFields:
    """See parts.part.Part. What was before is the outboundTrafficPolicy, if there was one, and who held its mode."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The mode, whoever set it."""
        mode = (found.content.get(POLICY) or {}).get("mode")
        return None if mode is None else {POLICY: {"mode": mode}}

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """The policy as it stands."""
        if left := same_as_left(self, found, former):
            return left.was
        was = {POLICY: found.content[POLICY]} if POLICY in found.content else {}
        return {**was, "manager": next(iter(other_holders(found.managed)), "")}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        part: IstioObject,
        former: Spec | None,  # noqa: ARG002
    ) -> Object:
        """Only the mode, by the version that was looked at."""
        meta = {name: raw["metadata"][name] for name in ("name", "namespace", "resourceVersion", "uid")}
        patch = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, "spec": part["spec"]}
        try:
            return await client.apply(kind, patch, force=is_forced(part))
        except ApiError as refusal:
            if refusal.field_conflict:
                raise OwnedFieldsRefused(FOREIGN_OWNER, refusal.message) from refusal
            raise

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """The policy as it was; a mode that others hold as well, or have changed since, is theirs and stays."""
        current = raw["spec"].get(POLICY)
        if (
            other_holders(raw["metadata"].get("managedFields") or [])
            or (current or {}).get("mode") != spec[POLICY]["mode"]
        ):
            return await give_back(client, kind, raw, raw)
        return await give_back(client, kind, raw, {**raw, "spec": _restored(raw["spec"], was)}, was["manager"])


def other_holders(managed: Iterable[Entry]) -> list[str]:
    """Who besides us holds the mode."""
    return [each for each in holders(managed, _PATH) if each != FIELD_MANAGER]


def _restored(spec: Spec, was: Any) -> dict[str, Any]:
    """Of the policy only the mode was ours."""
    others = {name: value for name, value in spec.get(POLICY, {}).items() if name != "mode"}
    rest = {name: value for name, value in spec.items() if name != POLICY}
    before = was.get(POLICY)
    if before is None:
        return {**rest, POLICY: others} if others else rest
    return {**rest, POLICY: {**others, **({"mode": before["mode"]} if "mode" in before else {})}}


_REGISTRY_ONLY = "REGISTRY_ONLY"


def said_mode(spec: Spec) -> str:
    """The mode that a Sidecar comes to: an empty policy is REGISTRY_ONLY, since that is the enum's zero. Empty where it
    says nothing."""
    policy = spec.get(POLICY)
    return "" if policy is None else policy.get("mode") or _REGISTRY_ONLY


class VirtualServiceFields:
    """See parts.part.Part. Nothing has to be remembered of what was before: routes are taken out by name."""

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:
        """Those of our routes that are there."""
        names = _names(spec)
        routes = [route for route in found.content.get("http") or () if route.get("name") in names]
        return {"http": routes} if routes else None

    def before(self, found: CachedObject, spec: Spec, former: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """Who holds the routes."""
        if left := same_as_left(self, found, former):
            return left.was
        others = [each for each in holders(found.managed, ("spec", "http")) if each != FIELD_MANAGER]
        return {"manager": next(iter(others), found.writer)}

    async def write(
        self, client: ApiClient, kind: ApiKind, raw: Object, part: IstioObject, former: Spec | None
    ) -> Object:
        """Our routes before all others; former ones of ours go."""
        ours = part["spec"]
        others = [route for route in others_routes(raw["spec"], former) if route.get("name") not in _names(ours)]
        expiry = part["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION)
        return await client.replace(kind, _with(raw, [*ours["http"], *others], expiry))

    async def take_back(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, was: Any) -> Object:
        """All routes but ours."""
        return await give_back(client, kind, raw, _with(raw, others_routes(raw["spec"], spec), None), was["manager"])


def others_routes(content: Mapping[str, Any], spec: Spec | None) -> list[dict[str, Any]]:
    """The routes of a VirtualService that are not ours, where `spec` is what we put there last."""
    names = _names(spec) if spec else frozenset()
    return [route for route in content.get("http") or () if route.get("name") not in names]


def _names(spec: Spec) -> frozenset[str]:
    return frozenset(route["name"] for route in spec["http"])


def _with(raw: Object, http: list[Any], expiry: str | None) -> Object:
    rest = {name: value for name, value in raw["spec"].items() if name != "http"}
    annotations = {k: v for k, v in (raw["metadata"].get("annotations") or {}).items() if k != FAULT_EXPIRY_ANNOTATION}
    if expiry:
        annotations[FAULT_EXPIRY_ANNOTATION] = expiry
    metadata = {name: value for name, value in raw["metadata"].items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**raw, "metadata": metadata, "spec": {**rest, "http": http} if http else rest}


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
