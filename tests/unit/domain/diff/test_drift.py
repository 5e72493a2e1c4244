"""Drift: what other clients changed, as opposed to mesh-egress's own changes and to expired faults."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.diff.drift import (
    Objects,
    annotated_resource,
    drift_record,
    find_drift,
    healed,
    objects_of,
    resources_of,
)
from egress_server.domain.model.objects import key_of
from egress_server.domain.model.status import Drift, DriftKind
from egress_server.domain.render import render
from egress_server.domain.render.expired_faults import strip_expired
from tests.support.meshes import BIRTH, History, cluster, entry, fault

EAST = cluster("east")
LATER = BIRTH + timedelta(days=1)


def objects(*resources: Any) -> Objects:
    """The objects that were last applied."""
    found = render(effective(History(EAST, *resources).snapshot, EAST, BIRTH))
    return {key_of(obj): obj for obj in found}


BANK, SHOP = objects(entry("bank")), objects(entry("shop"))
(KEY,) = BANK
OTHER: Objects = {KEY: {**BANK[KEY], "spec": {}}}


@pytest.mark.parametrize(
    ("left", "live", "kinds"),
    [
        ({}, {}, {}),
        (BANK, BANK, {}),
        (BANK, OTHER, {"bank": DriftKind.CHANGED}),
        (BANK, {}, {"bank": DriftKind.MISSING}),
        ({}, BANK, {"bank": DriftKind.EXTRA}),
        (BANK, SHOP, {"bank": DriftKind.MISSING, "shop": DriftKind.EXTRA}),
    ],
)
def test_kinds(left: Objects, live: Objects, kinds: dict[str, DriftKind]) -> None:
    """Changed, missing and extra objects."""
    assert {key.name: kind for key, kind in find_drift(left, live, BIRTH).items()} == kinds


def test_a_fault_that_has_ended() -> None:
    """An expired fault is not drift, whether it has been removed or not; removing it earlier is."""
    left = objects(entry("bank"), fault("slow"))
    (key,) = (key for key in left if key.kind == "VirtualService")
    live = {**left, key: strip_expired([left[key]], LATER)[0]}
    assert find_drift(left, live, LATER) == {}
    assert find_drift(live, left, LATER) == {}
    assert find_drift(left, live, BIRTH) == {key: DriftKind.CHANGED}


def test_record() -> None:
    """The record names the object, its resource and who changed it, even if another client removed the annotation."""
    stripped = {KEY: {**OTHER[KEY], "metadata": {"name": "bank", "namespace": "default"}}}
    record = drift_record(KEY, DriftKind.CHANGED, BANK, stripped, "kubectl", BIRTH)
    assert record == Drift(DriftKind.CHANGED, "ServiceEntry", "default", "bank", entry("bank").name, "kubectl", BIRTH)
    assert drift_record(KEY, DriftKind.EXTRA, {}, stripped, "", BIRTH).resource == ""
    assert drift_record(KEY, DriftKind.MISSING, BANK, {}, "", BIRTH).resource == entry("bank").name
    assert annotated_resource(BANK[KEY]) == entry("bank").name
    fought = replace(record, message="another client keeps writing")
    assert healed(fought, LATER) == replace(record, heal_time=LATER)


def test_a_host_that_is_only_disturbed() -> None:
    """An object that only injects a fault belongs to the fault, although it is named after the entry that registers the
    host."""
    left = objects(entry("bank"), fault("slow"))
    (key,) = (key for key in left if key.kind == "VirtualService")
    assert annotated_resource(left[key]) == entry("bank").name
    assert resources_of(left[key]) == (fault("slow").name,)
    assert drift_record(key, DriftKind.MISSING, left, {}, "", BIRTH).resource == fault("slow").name
    assert objects_of([fault("slow").name], left) == {key}
    assert objects_of([entry("bank").name], left) == left.keys() - {key}
    assert objects_of([], left) == frozenset()
    assert resources_of({"kind": "VirtualService", "metadata": {}, "spec": {}}) == ("",)
