"""Our named routes in a VirtualService of others: first, since the first that matches wins.

A list of routes has one holder only, so the whole object is replaced, by the version that was looked at. When each
fault ends stands in an annotation beside the routes, as in objects of our own.
"""

from collections.abc import Mapping
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.targets.kubernetes.api.client import FIELD_MANAGER, ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.api.managed_fields import holders
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.owned_fields import Spec, give_back, same_as_left


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
