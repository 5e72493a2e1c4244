"""Owned fields of Istio objects: the mode in a Sidecar, routes in a VirtualService, the whole spec of an adopted
object."""

from collections.abc import Iterable, Mapping
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.domain.render.route_names import without_fault
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import Entry, managers_of
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import (
    FOREIGN_OWNER,
    POLICY,
    OwnedFieldsRefused,
    Spec,
    is_forced,
    release_object,
    unless_changed,
)

REGISTRY_ONLY = "REGISTRY_ONLY"
_MODE_PATH = ("spec", POLICY, "mode")


class SidecarFields:
    """The outbound mode in an unmanaged Sidecar, by server-side apply: the API server itself then knows which field we
    own, and warns other managers.

    See merge.owned_fields.OwnedFields. The previous value is the outboundTrafficPolicy, if any, and the manager of its
    mode.
    """

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The mode, whoever set it."""
        mode = (found.content.get(POLICY) or {}).get("mode")
        return None if mode is None else {POLICY: {"mode": mode}}

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """The current policy."""
        if unchanged := unless_changed(self, found, saved):
            return unchanged.previous
        policy = {POLICY: found.content[POLICY]} if POLICY in found.content else {}
        return {**policy, "manager": next(iter(other_managers(found.managed_fields)), "")}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        fields_object: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """Only the mode, at the version that was read."""
        meta = {name: raw["metadata"][name] for name in ("name", "namespace", "resourceVersion", "uid")}
        patch = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, "spec": fields_object["spec"]}
        try:
            return await client.apply(kind, patch, force=is_forced(fields_object))
        except ApiError as error:
            if error.field_conflict:
                raise OwnedFieldsRefused(FOREIGN_OWNER, error.message) from error
            raise

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """The previous policy. A mode that another manager owns as well, or has changed since, stays."""
        current = raw["spec"].get(POLICY)
        if (
            other_managers(raw["metadata"].get("managedFields") or [])
            or (current or {}).get("mode") != spec[POLICY]["mode"]
        ):
            return await release_object(client, kind, raw, raw)
        restored = {**raw, "spec": _with_previous_mode(raw["spec"], previous)}
        return await release_object(client, kind, raw, restored, previous["manager"])


def other_managers(managed: Iterable[Entry]) -> list[str]:
    """The other managers of the mode."""
    return [each for each in managers_of(managed, _MODE_PATH) if each != FIELD_MANAGER]


def _with_previous_mode(spec: Spec, previous: Any) -> dict[str, Any]:
    """Only the mode of the policy was set by us."""
    others = {name: value for name, value in spec.get(POLICY, {}).items() if name != "mode"}
    rest = {name: value for name, value in spec.items() if name != POLICY}
    policy = previous.get(POLICY)
    if policy is None:
        return {**rest, POLICY: others} if others else rest
    return {**rest, POLICY: {**others, **({"mode": policy["mode"]} if "mode" in policy else {})}}


def sidecar_mode(spec: Spec) -> str:
    """The effective mode of a Sidecar: an empty policy is REGISTRY_ONLY, the enum's zero. Empty if it sets none."""
    policy = spec.get(POLICY)
    return "" if policy is None else policy.get("mode") or REGISTRY_ONLY


class VirtualServiceFields:
    """Our named routes in an unmanaged VirtualService. They come first, since the first matching route wins.

    A list of routes has only one manager, so the whole object is replaced, at the version that was read. When each
    fault ends is in an annotation, as in managed objects. No previous value has to be saved: routes are removed by
    their names.
    """

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:
        """Those of our routes that are there."""
        names = _names(spec)
        routes = [route for route in found.content.get("http") or () if route.get("name") in names]
        return {"http": routes} if routes else None

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """The manager of the routes."""
        if unchanged := unless_changed(self, found, saved):
            return unchanged.previous
        others = [each for each in managers_of(found.managed_fields, ("spec", "http")) if each != FIELD_MANAGER]
        return {"manager": next(iter(others), found.writer)}

    async def write(
        self, client: ApiClient, kind: ApiKind, raw: Object, fields_object: IstioObject, former: Spec | None
    ) -> Object:
        """Our routes before all others; our former ones are removed."""
        ours = fields_object["spec"]
        others = [route for route in foreign_routes(raw["spec"], former) if route.get("name") not in _names(ours)]
        expiry = fields_object["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION)
        return await client.replace(kind, _with_routes(raw, [*ours["http"], *others], expiry))

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """All routes but those that we wrote."""
        restored = _with_routes(raw, foreign_routes(raw["spec"], spec), None)
        return await release_object(client, kind, raw, restored, previous["manager"])


def foreign_routes(content: Mapping[str, Any], spec: Spec | None) -> list[dict[str, Any]]:
    """The routes of a VirtualService that others wrote, if we last wrote `spec`."""
    names = _names(spec) if spec else frozenset()
    return [route for route in content.get("http") or () if route.get("name") not in names]


def _names(spec: Spec) -> frozenset[str]:
    """Those of our routes, also once an expired fault has been removed from them."""
    names = [route["name"] for route in spec["http"]]
    return frozenset(name for each in names for name in (each, without_fault(each)) if name)


def _with_routes(raw: Object, http: list[Any], expiry: str | None) -> Object:
    rest = {name: value for name, value in raw["spec"].items() if name != "http"}
    annotations = {k: v for k, v in (raw["metadata"].get("annotations") or {}).items() if k != FAULT_EXPIRY_ANNOTATION}
    if expiry:
        annotations[FAULT_EXPIRY_ANNOTATION] = expiry
    metadata = {name: value for name, value in raw["metadata"].items() if name != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**raw, "metadata": metadata, "spec": {**rest, "http": http} if http else rest}


class WholeSpec:
    """The whole spec of an adopted object that has the name of a managed one.

    See merge.owned_fields.OwnedFields. The previous value is the spec and who wrote it.
    """

    def read(self, found: CachedObject, spec: Spec) -> Spec | None:  # noqa: ARG002 - as the protocol
        """The spec, whoever wrote it."""
        content: Spec = found.content
        return content

    def previous(self, found: CachedObject, spec: Spec, saved: SavedFields | None) -> Any:  # noqa: ARG002 - as the protocol
        """The current spec."""
        if unchanged := unless_changed(self, found, saved):
            return unchanged.previous
        return {"spec": found.content, "manager": found.writer}

    async def write(
        self,
        client: ApiClient,
        kind: ApiKind,
        raw: Object,
        fields_object: IstioObject,
        former: Spec | None,  # noqa: ARG002 - as the protocol
    ) -> Object:
        """Our spec; labels and everything else stay as they are."""
        return await client.replace(kind, {**raw, "spec": fields_object["spec"]})

    async def restore(self, client: ApiClient, kind: ApiKind, raw: Object, spec: Spec, previous: Any) -> Object:
        """The previous spec, unless another client has changed it since."""
        restored = {**raw, "spec": previous["spec"]} if raw["spec"] == spec else raw
        return await release_object(client, kind, raw, restored, previous["manager"])
