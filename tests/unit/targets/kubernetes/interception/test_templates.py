"""Interception in pod templates: what is written, and that it goes out again as it came."""

from collections.abc import Mapping

import pytest

from egress_server.targets.kubernetes.interception.admission import ScopedRules
from egress_server.targets.kubernetes.interception.pods import EXCLUDE_PORTS, INCLUDE_RANGES, VALUE_OF
from egress_server.targets.kubernetes.interception.templates import BEFORE, change_of, own_annotations

OTHERS = {"prometheus.io/scrape": "true"}
EMPTY: dict[str, str] = {}
OWN = {EXCLUDE_PORTS: "9090", **OTHERS}


def rules(include: str = "10.0.0.0/8") -> ScopedRules:
    """Rules for a namespace."""
    return ScopedRules("shop", {}, {**dict.fromkeys(VALUE_OF.values(), ""), "includeIPRanges": include})


def merged(annotations: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """What a merge patch makes of them."""
    return {name: value for name, value in {**annotations, **change}.items() if value is not None}


@pytest.mark.parametrize("before", [EMPTY, OTHERS, OWN])
def test_it_goes_out_as_it_came(before: dict[str, str]) -> None:
    """Also where the rules changed in between."""
    once = merged(before, change_of(before, rules()))
    assert {name: once[name] for name in VALUE_OF} == {**dict.fromkeys(VALUE_OF, ""), INCLUDE_RANGES: "10.0.0.0/8"}
    twice = merged(once, change_of(once, rules("192.0.2.0/24")))
    assert twice[INCLUDE_RANGES] == "192.0.2.0/24"
    assert own_annotations(twice) == {name: value for name, value in before.items() if name in VALUE_OF}
    assert merged(twice, change_of(twice, None)) == before


def test_nothing_goes_out_where_nothing_was_written() -> None:
    """A template's own annotations are its own."""
    assert change_of(OWN, None) == {}


def test_what_somebody_wrote_since_stays() -> None:
    """Only what still stands as we wrote it is put back."""
    ours = merged(OWN, change_of(OWN, rules()))
    changed = {**ours, INCLUDE_RANGES: "172.16.0.0/12"}
    assert merged(changed, change_of(changed, None)) == {**OWN, INCLUDE_RANGES: "172.16.0.0/12"}
    again = merged(changed, change_of(changed, rules()))
    assert merged(again, change_of(again, None)) == {**OWN, INCLUDE_RANGES: "172.16.0.0/12"}


@pytest.mark.parametrize("text", ["", "7", "{}", '{"ours": []}', '{"ours": {"a": "b"}, "was": {}}'])
def test_a_damaged_memory_keeps_nothing_from_going_on(text: str) -> None:
    """What stands there then is taken for the template's own."""
    damaged = {INCLUDE_RANGES: "10.0.0.0/8", BEFORE: text}
    assert merged(damaged, change_of(damaged, None)) == {INCLUDE_RANGES: "10.0.0.0/8"}
