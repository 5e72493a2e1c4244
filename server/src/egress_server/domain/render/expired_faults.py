"""Takes ended faults out of rendered objects, by what the objects themselves say: for whoever holds them while the
store, and perhaps everything else of ours, is away."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject


def strip_ended(objects: Sequence[IstioObject], now: datetime) -> list[IstioObject]:
    """The objects without the routes of faults that have ended at `now`. One that would be left with nothing but its
    last route stays: what it does is what happens without it."""
    return [_stripped(obj, now) for obj in objects]


def all_ends(objects: Iterable[IstioObject]) -> frozenset[datetime]:
    """When the faults in the objects end."""
    return frozenset(end for obj in objects for end in _ends(obj).values())


def _ends(obj: IstioObject) -> dict[str, datetime]:
    text = obj["metadata"].get("annotations", {}).get(FAULT_EXPIRY_ANNOTATION, "{}")
    return {route: datetime.fromisoformat(end) for route, end in json.loads(text).items()}


def _stripped(obj: IstioObject, now: datetime) -> IstioObject:
    ends = _ends(obj)
    ended = {route for route, end in ends.items() if end <= now}
    if not ended:
        return obj
    left = {route: end.isoformat() for route, end in ends.items() if route not in ended}
    annotations = {k: v for k, v in obj["metadata"]["annotations"].items() if k != FAULT_EXPIRY_ANNOTATION}
    if left:
        annotations[FAULT_EXPIRY_ANNOTATION] = json.dumps(left, sort_keys=True)
    http = [route for route in obj["spec"]["http"] if route.get("name") not in ended]
    return {
        **obj,
        "metadata": {**obj["metadata"], "annotations": annotations},
        "spec": {**obj["spec"], "http": http},
    }
