"""Faults on the routes of an entry: combined conditions, and separate routes for each fault."""

from datetime import timedelta
from typing import Any

import pytest

from egress_server.domain.desired.effective import effective
from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.domain.model.resources import (
    HeaderMatch,
    Resource,
    Route,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.render import render
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.domain.render.match import combined
from egress_server.domain.render.virtual_service import resources_in
from tests.support.meshes import BIRTH, History, cluster, entry, fault

Part = dict[str, Any]
PRESENT: Part = {}


def header(condition: Part) -> Part:
    """A match by the header x."""
    return {"headers": {"x": condition}}


@pytest.mark.parametrize("place", ["uri", "method", "authority", "header"])
@pytest.mark.parametrize(
    ("one", "other", "narrower"),
    [
        (PRESENT, PRESENT, PRESENT),
        ({"exact": "ab"}, PRESENT, {"exact": "ab"}),
        ({"exact": "ab"}, {"exact": "ab"}, {"exact": "ab"}),
        ({"exact": "ab"}, {"prefix": "a"}, {"exact": "ab"}),
        ({"exact": "ab"}, {"regex": "a."}, {"exact": "ab"}),
        ({"prefix": "ab"}, {"prefix": "a"}, {"prefix": "ab"}),
        ({"prefix": "ab"}, PRESENT, {"prefix": "ab"}),
        ({"regex": "a."}, PRESENT, {"regex": "a."}),
        ({"exact": "ab"}, {"exact": "a"}, None),
        ({"exact": "ab"}, {"prefix": "b"}, None),
        ({"exact": "abc"}, {"regex": "a."}, None),
        ({"prefix": "ab"}, {"prefix": "b"}, None),
    ],
)
def test_the_narrower_one_holds(place: str, one: Part, other: Part, narrower: Part | None) -> None:
    """Whichever of the two belongs to the route, wherever it is; contradictory conditions give no match. What can't be
    compared is in test_match."""

    def at(condition: Part) -> Part:
        return header(condition) if place == "header" else {place: condition}

    expected = None if narrower is None else at(narrower)
    assert combined(at(one), at(other)) == combined(at(other), at(one)) == expected


def test_different_conditions_hold_side_by_side() -> None:
    """Headers in the order in which they are given, the route's first."""
    fault: Part = {"uri": {"prefix": "/a"}, **header(PRESENT)}
    route: Part = {"method": {"exact": "GET"}, "headers": {"y": {"exact": "1"}}}
    both = combined(fault, route)
    assert both == {"uri": {"prefix": "/a"}, "method": {"exact": "GET"}, "headers": {"y": {"exact": "1"}, "x": {}}}
    assert list(both["headers"]) == ["y", "x"]


@pytest.mark.parametrize(
    ("route", "both"),
    [
        ({"uri": {"prefix": "/A"}, "ignoreUriCase": True}, {"uri": {"exact": "/ab"}}),
        ({"uri": {"prefix": "/B"}, "ignoreUriCase": True}, None),
        ({"ignoreUriCase": True}, {"uri": {"exact": "/ab"}}),
    ],
)
def test_case_of_paths(route: Part, both: Part | None) -> None:
    """A fault never ignores case, whatever the route does."""
    assert combined({"uri": {"exact": "/ab"}}, route) == both


def virtual_services(*resources: Resource, at: timedelta = timedelta()) -> dict[str, IstioObject]:
    """The VirtualServices by NAMESPACE/NAME, without the faults that have expired at this time."""
    objects = render(effective(History(cluster(), *resources).snapshot, cluster(), BIRTH))
    left = strip_expired(objects, BIRTH + at)
    return {
        f"{obj['metadata']['namespace']}/{obj['metadata']['name']}": obj
        for obj in left
        if obj["kind"] == "VirtualService"
    }


def names_of_routes(obj: IstioObject) -> list[str]:
    """In their order."""
    return [route["name"] for route in obj["spec"]["http"]]


ROUTED = entry(
    traffic=TrafficSettings(routes=(Route((WeightedDestination("blue.example.com"),), (HeaderMatch("x"),)),))
)


def test_faults_do_not_share_routes() -> None:
    """However similar their names are, removing one fault's routes keeps the other's."""
    y, z = HeaderMatch("y"), HeaderMatch("z")
    one = fault("b-c", namespace="a", ttl=60.0, match_headers=(y,))
    other = fault("b-c-1", namespace="a", ttl=600.0, match_headers=(z,))
    bank = entry(namespace="a", traffic=ROUTED.traffic)
    [obj] = virtual_services(bank, one, other, at=timedelta(seconds=120)).values()
    assert names_of_routes(obj) == ["fault-a.b-c-1", "fault-a.b-c-1/1", "route-0", "fallback"]


def test_a_fault_on_every_request_is_on_the_plain_routes() -> None:
    """Routes of its own would make all others unreachable. When it expires, the routes stay without it."""
    broken = fault(ttl=60.0)
    [obj] = virtual_services(ROUTED, broken).values()
    assert [(route["name"], "match" in route, "fault" in route) for route in obj["spec"]["http"]] == [
        ("fault-default.broken=route-0", True, True),
        ("fault-default.broken=fallback", False, True),
    ]
    [left] = virtual_services(ROUTED, broken, at=timedelta(seconds=120)).values()
    [plain] = virtual_services(ROUTED).values()
    assert left == plain
    assert FAULT_EXPIRY_ANNOTATION not in left["metadata"]["annotations"]
    assert resources_in(left) == (ROUTED.name,)


def test_only_what_can_be_reached_is_rendered() -> None:
    """Of two faults on every request the older one, of two with equal conditions as well; and a catch-all route of the
    entry is the last one."""
    bank = entry(traffic=TrafficSettings(routes=(Route((WeightedDestination("blue.example.com"),)),)))
    faults = [
        fault(id_, match_headers=match)
        for id_, match in zip("abcd", [(), (), (HeaderMatch("x"),), (HeaderMatch("x"),)], strict=True)
    ]
    [obj] = virtual_services(bank, *faults).values()
    assert names_of_routes(obj) == ["fault-default.c", "fault-default.a=route-0"]


def test_an_object_names_the_resources_that_it_carries_out() -> None:
    """For a host with faults these are the faults, and its entry only if that requires routes."""
    plain = entry("bank", hosts=("bank.example",))
    settings = entry("shop", hosts=("shop.example",), traffic=TrafficSettings(timeout=1.0))
    slow, wild = fault("slow", host="bank.example"), fault("wild", host="wild.example")
    late, loud = fault("late", host="shop.example"), fault("loud", host="shop.example", ports=(80,))
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
