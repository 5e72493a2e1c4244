"""Routes and faults as VirtualServices: of all that sidecars heed for a host Istio takes the oldest, wholly.

So where an older one of others has the host, ours would do nothing. It is refused by the owner's name, or, where that
was adopted, goes into it as routes of our own names.
"""

import json
from collections.abc import Sequence
from typing import Any

from egress_server.domain.render.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, key_of, resource_of
from egress_server.targets.kubernetes.fit.draft import Draft
from egress_server.targets.kubernetes.fit.routes import faulted_routes, for_host
from egress_server.targets.kubernetes.following.seen import Seen
from egress_server.targets.kubernetes.parts.part import FOREIGN_OWNER, part
from egress_server.targets.kubernetes.parts.virtual_service import others_routes
from egress_server.targets.kubernetes.routing import full_host, visible
from egress_server.targets.kubernetes.state import name_of_object


def fit_virtual_service(draft: Draft, obj: IstioObject) -> None:
    """One VirtualService of ours, which is for one host."""
    if not draft.passes(obj):
        return
    owner = _owner(draft, obj)
    if owner is None:
        if namesake := draft.namesake(obj):
            draft.refuse_owner(obj, namesake, "has this name and is not ours")
        else:
            draft.take(obj)
    elif draft.adopted(owner.key):
        _merge(draft, obj, owner)
    else:
        draft.refuse_owner(obj, owner, f"decides the routes of {obj['spec']['hosts'][0]}, as Istio takes the oldest")


def _owner(draft: Draft, obj: IstioObject) -> Seen | None:
    """The oldest one of others that sidecars of our namespace heed for the host, if ours is not older."""
    mine = draft.view.ours(key_of(obj))
    namespace = obj["metadata"]["namespace"]
    for other in draft.deciding(full_host(obj["spec"]["hosts"][0], namespace)):
        if mine is not None and mine.age < other.age:
            return None
        if visible(other, namespace):
            return other
    return None


def _merge(draft: Draft, obj: IstioObject, owner: Seen) -> None:
    """Our routes for the owner, beside those that we have for another host of it."""
    held = draft.view.held.get(owner.key)
    theirs = others_routes(owner.content, held.spec if held else None)
    http, ends = _routes(obj, owner, theirs)
    if {route.get("name") for route in theirs} & {route["name"] for route in http}:
        draft.refuse(obj, FOREIGN_OWNER, f"{name_of_object(owner.key)} has a route by a name of ours")
        return
    beside = draft.part(owner.key)
    if beside is not None:
        http = [*beside["spec"]["http"], *http]
        ends |= json.loads(beside["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    marks = {FAULT_EXPIRY_ANNOTATION: json.dumps(ends, sort_keys=True)} if ends else {}
    resource = resource_of(beside or obj)
    draft.take(part(owner.key, resource, {"http": http}, forced=True, annotations=marks))


def _routes(
    obj: IstioObject, owner: Seen, theirs: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Our routes and when they end. Where we only disturb requests, they are disturbed on the owner's own routes; what
    we route ourselves is ours wholly."""
    host, ours = obj["spec"]["hosts"][0], obj["spec"]["http"]
    ends: dict[str, str] = json.loads(obj["metadata"]["annotations"].get(FAULT_EXPIRY_ANNOTATION, "{}"))
    plain = [route for route in ours if "fault" not in route]
    if theirs and len(plain) == 1 and not plain[0].keys() & {"timeout", "retries", "match"}:
        ours, ends = faulted_routes([route for route in ours if "fault" in route], theirs, ends)
    if owner.content["hosts"] != [host]:
        ours = [for_host(route, host) for route in ours]
    return [route if "fault" in route or route["name"] in ends else _named(route, host) for route in ours], ends


def _named(route: dict[str, Any], host: str) -> dict[str, Any]:
    """By a name that no route of others has."""
    return {**route, "name": f"egress-{host}/{route['name']}"}
