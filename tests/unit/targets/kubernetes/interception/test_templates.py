"""Interception in pod templates: what is written, and that it is restored exactly."""

from collections.abc import Mapping

import pytest

from egress_server.targets.kubernetes.interception.admission import ScopedRules
from egress_server.targets.kubernetes.interception.pods import EXCLUDE_PORTS, INCLUDE_RANGES, VALUE_BY_ANNOTATION
from egress_server.targets.kubernetes.interception.templates import BEFORE, own_annotations, template_change

OTHERS = {"prometheus.io/scrape": "true"}
EMPTY: dict[str, str] = {}
OWN = {EXCLUDE_PORTS: "9090", **OTHERS}


def rules(include: str = "10.0.0.0/8") -> ScopedRules:
    """Rules for a namespace."""
    return ScopedRules("shop", {}, {**dict.fromkeys(VALUE_BY_ANNOTATION.values(), ""), "includeIPRanges": include})


def merged(annotations: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """The result of a merge patch."""
    return {name: value for name, value in {**annotations, **change}.items() if value is not None}


@pytest.mark.parametrize("before", [EMPTY, OTHERS, OWN])
def test_previous_annotations_are_restored(before: dict[str, str]) -> None:
    """Even if the rules changed in between."""
    once = merged(before, template_change(before, rules()))
    assert {name: once[name] for name in VALUE_BY_ANNOTATION} == {
        **dict.fromkeys(VALUE_BY_ANNOTATION, ""),
        INCLUDE_RANGES: "10.0.0.0/8",
    }
    twice = merged(once, template_change(once, rules("192.0.2.0/24")))
    assert twice[INCLUDE_RANGES] == "192.0.2.0/24"
    assert own_annotations(twice) == {name: value for name, value in before.items() if name in VALUE_BY_ANNOTATION}
    assert merged(twice, template_change(twice, None)) == before


def test_nothing_is_restored_if_nothing_was_written() -> None:
    """A template's own annotations stay."""
    assert template_change(OWN, None) == {}


def test_later_foreign_changes_stay() -> None:
    """Only what is still as we wrote it is restored."""
    ours = merged(OWN, template_change(OWN, rules()))
    changed = {**ours, INCLUDE_RANGES: "172.16.0.0/12"}
    assert merged(changed, template_change(changed, None)) == {**OWN, INCLUDE_RANGES: "172.16.0.0/12"}
    again = merged(changed, template_change(changed, rules()))
    assert merged(again, template_change(again, None)) == {**OWN, INCLUDE_RANGES: "172.16.0.0/12"}


# wording: the keys are stored in annotations
@pytest.mark.parametrize("text", ["", "7", "{}", '{"ours": []}', '{"ours": {"a": "b"}, "was": {}}'])
def test_a_damaged_record_is_ignored(text: str) -> None:
    """What is there then counts as the template's own."""
    damaged = {INCLUDE_RANGES: "10.0.0.0/8", BEFORE: text}
    assert merged(damaged, template_change(damaged, None)) == {INCLUDE_RANGES: "10.0.0.0/8"}
