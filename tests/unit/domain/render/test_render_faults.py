"""Faults on the routes of an entry: merged header conditions, and separate routes for each fault."""

from datetime import timedelta

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.resources import HeaderMatch, MatchKind, Route, TrafficSettings, WeightedDestination
from egress_server.domain.render import render
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.domain.render.virtual_service import merge_headers, resources_in
from tests.support.meshes import BIRTH, History, cluster, entry, fault

EXACT, PREFIX, REGEX = MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX
PRESENT = HeaderMatch("x")


def x(kind: MatchKind, value: str) -> HeaderMatch:
    """A condition on the header x."""
    return HeaderMatch("x", kind, value)


@pytest.mark.parametrize(
    ("one", "other", "narrower"),
    [
        (PRESENT, PRESENT, PRESENT),
        (x(EXACT, "ab"), PRESENT, x(EXACT, "ab")),
        (x(EXACT, "ab"), x(EXACT, "ab"), x(EXACT, "ab")),
        (x(EXACT, "ab"), x(PREFIX, "a"), x(EXACT, "ab")),
        (x(EXACT, "ab"), x(REGEX, "a."), x(EXACT, "ab")),
        (x(PREFIX, "ab"), x(PREFIX, "a"), x(PREFIX, "ab")),
        (x(PREFIX, "ab"), PRESENT, x(PREFIX, "ab")),
        (x(REGEX, "a."), PRESENT, x(REGEX, "a.")),
        (x(REGEX, "a."), x(PREFIX, "a"), x(REGEX, "a.")),
    ],
)
def test_the_narrower_one_holds(one: HeaderMatch, other: HeaderMatch, narrower: HeaderMatch) -> None:
    """Whichever of the two belongs to the route."""
    assert merge_headers([one], [other]) == merge_headers([other], [one]) == (narrower,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (x(EXACT, "ab"), x(EXACT, "a")),
        (x(EXACT, "ab"), x(PREFIX, "b")),
        (x(EXACT, "abc"), x(REGEX, "a.")),
        (x(PREFIX, "ab"), x(PREFIX, "b")),
    ],
)
def test_no_request_meets_both(one: HeaderMatch, other: HeaderMatch) -> None:
    """Contradictory conditions give no route."""
    assert merge_headers([one], [other]) is None
    assert merge_headers([other], [one]) is None


def test_different_headers_stand_side_by_side() -> None:
    """In the order in which they are given, the route's first."""
    y = HeaderMatch("y", EXACT, "1")
    assert merge_headers([y], [PRESENT]) == (y, PRESENT)


def test_two_expressions() -> None:
    """If no single condition expresses both, the fault's is used."""
    assert merge_headers([x(REGEX, "a.*")], [x(REGEX, ".*b")]) == (x(REGEX, ".*b"),)


def test_faults_do_not_share_routes() -> None:
    """However similar their names are, removing one fault's routes keeps the other's."""
    one = fault("b-c", namespace="a", ttl=60.0)
    other = fault("c", namespace="a-b", ttl=600.0)
    routed = fault("b-c-1", namespace="a", ttl=600.0)
    bank = entry(traffic=TrafficSettings(routes=(Route((WeightedDestination("blue.example.com"),), (PRESENT,)),)))
    history = History(cluster(), bank, one, other, routed)
    objects = render(effective(history.snapshot, cluster(), BIRTH))
    left = strip_expired(objects, BIRTH + timedelta(seconds=120))
    names = [route["name"] for obj in left if obj["kind"] == "VirtualService" for route in obj["spec"]["http"]]
    assert sorted(names) == [
        *("fallback", "fault-a-b.c", "fault-a-b.c/1", "fault-a.b-c-1", "fault-a.b-c-1/1", "route-0"),
    ]


def test_an_object_names_the_resources_that_it_carries_out() -> None:
    """For a host with faults these are the faults, and its entry only if that requires routes."""
    plain = entry("bank", hosts=("bank.example",))
    settings = entry("shop", hosts=("shop.example",), traffic=TrafficSettings(timeout=1.0))
    slow, wild = fault("slow", host="bank.example"), fault("wild", host="wild.example")
    late, loud = fault("late", host="shop.example"), fault("loud", host="shop.example")
    where = cluster()
    snapshot = History(where, plain, settings, slow, wild, late, loud).snapshot
    carried = {
        obj["spec"]["hosts"][0]: set(resources_in(obj))
        for obj in render(effective(snapshot, where, BIRTH))
        if obj["kind"] == "VirtualService"
    }
    assert carried == {
        "bank.example": {slow.name},
        "wild.example": {wild.name},
        "shop.example": {settings.name, late.name, loud.name},
    }
    entries = [obj for obj in render(effective(snapshot, where, BIRTH)) if obj["kind"] == "ServiceEntry"]
    assert {resources_in(obj) for obj in entries} == {(plain.name,), (settings.name,)}
