"""What others did to our objects: what a cluster holds, held against what it was left with.

Not against what is wanted now: desired state moves on, a cluster comes to be able to hold what it could not, and what
we make of one policy depends on others. None of that is drift.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from egress_server.domain.model.objects import RESOURCE_ANNOTATION, IstioObject, ObjectKey
from egress_server.domain.model.status import Drift, DriftKind
from egress_server.domain.render.expired_faults import strip_ended
from egress_server.domain.render.virtual_service import resources_in

Objects = Mapping[ObjectKey, IstioObject]


def drifted(left: Objects, live: Objects, now: datetime) -> dict[ObjectKey, DriftKind]:
    """How the objects differ that somebody changed, by key. A fault that has ended by `now` is no difference, whether
    it was taken out yet or not."""
    differing = (key for key in left.keys() | live.keys() if not same(left.get(key), live.get(key), now))
    return {key: _kind(left.get(key), live.get(key)) for key in sorted(differing)}


def same(one: IstioObject | None, other: IstioObject | None, now: datetime) -> bool:
    """Whether the two are equal, but for faults that have ended by `now`."""
    if one == other:
        return True
    return one is not None and other is not None and strip_ended([one], now) == strip_ended([other], now)


def drift_of(key: ObjectKey, kind: DriftKind, left: Objects, live: Objects, manager: str, seen_time: datetime) -> Drift:
    """The record of one such object."""
    resource = carried_out(left[key])[0] if key in left else claimed_by(live[key])
    return Drift(kind, key.kind, key.namespace, key.name, resource, manager, seen_time)


def carried_out(obj: IstioObject) -> tuple[str, ...]:
    """The resources that an object of ours, as we made it, carries out."""
    return resources_in(obj) if claimed_by(obj) else ("",)


def held_back(resources: Collection[str], wanted: Objects) -> frozenset[ObjectKey]:
    """The wanted objects that carry out one of `resources`."""
    if not resources:
        return frozenset()
    return frozenset(key for key, obj in wanted.items() if not frozenset(resources).isdisjoint(carried_out(obj)))


def claimed_by(obj: IstioObject) -> str:
    """The resource that an object says it was made of; on a cluster others may have taken that away."""
    name: str = obj["metadata"].get("annotations", {}).get(RESOURCE_ANNOTATION, "")
    return name


def healed(drift: Drift, at: datetime) -> Drift:
    """The same, put right."""
    return replace(drift, heal_time=at, message="")


def _kind(left: IstioObject | None, live: IstioObject | None) -> DriftKind:
    if left is None:
        return DriftKind.EXTRA
    return DriftKind.MISSING if live is None else DriftKind.CHANGED
