"""Removes expired faults from rendered objects, based on the objects alone: this works while the store, and possibly
everything else of mesh-egress, is unavailable."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.domain.render.route_names import without_fault


def strip_expired(objects: Sequence[IstioObject], now: datetime) -> list[IstioObject]:
    """The objects without the faults that have expired at `now`: routes of their own go, plain routes lose the fault.
    An object that is left with nothing but its fallback route stays, because it behaves as if it did not exist."""
    return [_stripped(obj, now) for obj in objects]


def expire_times(objects: Iterable[IstioObject]) -> frozenset[datetime]:
    """When the faults in the objects expire."""
    return frozenset(end for obj in objects for end in _expiry(obj).values())


def _expiry(obj: IstioObject) -> dict[str, datetime]:
    text = obj["metadata"].get("annotations", {}).get(FAULT_EXPIRY_ANNOTATION, "{}")
    return {route: datetime.fromisoformat(end) for route, end in json.loads(text).items()}


def _stripped(obj: IstioObject, now: datetime) -> IstioObject:
    expiry = _expiry(obj)
    expired = {route for route, end in expiry.items() if end <= now}
    if not expired:
        return obj
    active = {route: end.isoformat() for route, end in expiry.items() if route not in expired}
    annotations = {k: v for k, v in obj["metadata"]["annotations"].items() if k != FAULT_EXPIRY_ANNOTATION}
    if active:
        annotations[FAULT_EXPIRY_ANNOTATION] = json.dumps(active, sort_keys=True)
    http = [left for route in obj["spec"]["http"] if (left := _without_fault(route, expired))]
    return {
        **obj,
        "metadata": {**obj["metadata"], "annotations": annotations},
        "spec": {**obj["spec"], "http": http},
    }


def _without_fault(route: dict[str, Any], expired: Collection[str]) -> dict[str, Any]:
    """The route without its fault if that has expired; empty if it only existed for the fault."""
    if route.get("name", "") not in expired:
        return route
    plain = without_fault(route["name"])
    return {**{key: value for key, value in route.items() if key != "fault"}, "name": plain} if plain else {}
