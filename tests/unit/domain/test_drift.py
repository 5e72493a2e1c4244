"""What others did to our objects, told from what we did and from what happens by itself."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egress_server.domain.drift import Objects, claimed_by, drift_of, drifted, healed
from egress_server.domain.effective import effective
from egress_server.domain.render import render
from egress_server.domain.render.objects import key_of
from egress_server.domain.render.strip import strip_ended
from egress_server.domain.rollout import Drift, DriftKind
from tests.support.meshes import BIRTH, History, cluster, entry, fault

EAST = cluster("east")
LATER = BIRTH + timedelta(days=1)


def objects(*resources: Any) -> Objects:
    """What a cluster is left with."""
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
    """Changed, gone, or there without being ours to keep."""
    assert {key.name: kind for key, kind in drifted(left, live, BIRTH).items()} == kinds


def test_a_fault_that_has_ended() -> None:
    """A fault whose time is over is none, whether it was taken out yet or not; one that was taken out before is."""
    left = objects(entry("bank"), fault("slow"))
    (key,) = (key for key in left if key.kind == "VirtualService")
    live = {**left, key: strip_ended([left[key]], LATER)[0]}
    assert drifted(left, live, LATER) == {}
    assert drifted(live, left, LATER) == {}
    assert drifted(left, live, BIRTH) == {key: DriftKind.CHANGED}


def test_record() -> None:
    """The record names the object, what it was made of and who changed it, also where others took the name away."""
    stripped = {KEY: {**OTHER[KEY], "metadata": {"name": "bank", "namespace": "default"}}}
    record = drift_of(KEY, DriftKind.CHANGED, BANK, stripped, "kubectl", BIRTH)
    assert record == Drift(DriftKind.CHANGED, "ServiceEntry", "default", "bank", entry("bank").name, "kubectl", BIRTH)
    assert drift_of(KEY, DriftKind.EXTRA, {}, stripped, "", BIRTH).resource == ""
    assert drift_of(KEY, DriftKind.MISSING, BANK, {}, "", BIRTH).resource == entry("bank").name
    assert claimed_by(BANK[KEY]) == entry("bank").name
    fought = replace(record, message="somebody insists")
    assert healed(fought, LATER) == replace(record, heal_time=LATER)
