"""Drift: how the managed objects on a cluster differ from those that were last applied.

They are not compared with the desired state, which moves on: a cluster may become able to hold what it could not
before, and what one policy renders to depends on others. None of that is drift.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from egress_server.domain.model.objects import RESOURCE_ANNOTATION, IstioObject, ObjectKey
from egress_server.domain.model.status import Drift, DriftKind
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.domain.render.virtual_service import resources_in

Objects = Mapping[ObjectKey, IstioObject]


def find_drift(applied: Objects, live: Objects, now: datetime) -> dict[ObjectKey, DriftKind]:
    """The objects that drifted. A fault that has expired by `now` makes no difference, whether it has been removed yet
    or not."""
    drifted = (key for key in applied.keys() | live.keys() if not same(applied.get(key), live.get(key), now))
    return {key: _kind(applied.get(key), live.get(key)) for key in sorted(drifted)}


def same(one: IstioObject | None, other: IstioObject | None, now: datetime) -> bool:
    """Whether two objects are equal, ignoring faults that have expired by `now`."""
    if one == other:
        return True
    return one is not None and other is not None and strip_expired([one], now) == strip_expired([other], now)


def drift_record(
    key: ObjectKey, kind: DriftKind, applied: Objects, live: Objects, manager: str, seen_time: datetime
) -> Drift:
    """The record of one object that drifted."""
    resource = resources_of(applied[key])[0] if key in applied else annotated_resource(live[key])
    return Drift(kind, key.kind, key.namespace, key.name, resource, manager, seen_time)


def resources_of(obj: IstioObject) -> tuple[str, ...]:
    """The resources that a managed object, as rendered, implements."""
    return resources_in(obj) if annotated_resource(obj) else ("",)


def objects_of(resources: Collection[str], desired: Objects) -> frozenset[ObjectKey]:
    """The desired objects that implement one of `resources`."""
    if not resources:
        return frozenset()
    return frozenset(key for key, obj in desired.items() if not frozenset(resources).isdisjoint(resources_of(obj)))


def annotated_resource(obj: IstioObject) -> str:
    """The resource in an object's annotation; empty if another client removed it."""
    name: str = obj["metadata"].get("annotations", {}).get(RESOURCE_ANNOTATION, "")
    return name


def healed(drift: Drift, at: datetime) -> Drift:
    """`drift` as corrected at this time."""
    return replace(drift, heal_time=at, message="")


def _kind(applied: IstioObject | None, live: IstioObject | None) -> DriftKind:
    if applied is None:
        return DriftKind.EXTRA
    return DriftKind.MISSING if live is None else DriftKind.CHANGED
