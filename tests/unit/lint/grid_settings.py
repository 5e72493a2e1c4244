"""Rows for settings of an entry that don't apply to all who see it (EGR0140, EGR0142)."""

from dataclasses import replace
from typing import Any

from egress_server.domain.model.resources import ConnectionLimits, ServiceEntry, TrafficSettings
from tests.support.meshes import entry
from tests.unit.lint.cases import case
from tests.unit.lint.grid_entries import EU, US, strict

ELSEWHERE = "EGR0140 traffic"
TAKEN = "EGR0140 hosts[0]"
BESIDE, BESIDE_OWN = "EGR0142 traffic", "EGR0142 hosts[0]"
LIMITED = TrafficSettings(connection_limits=ConnectionLimits(max_connections=3))


def timed(id_: str, namespace: str, *export_to: str, seconds: float = 1.0, **fields: Any) -> ServiceEntry:
    """An entry for bank.example.com with a timeout; without one if `seconds` is 0."""
    settings = {"traffic": TrafficSettings(timeout=seconds or None), **fields}
    return entry(id_, namespace=namespace, hosts=("bank.example.com",), export_to=export_to, **settings)


WIDE, PRIVATE = timed("wide", "prod", seconds=0), timed("own", "shop", ".", seconds=9.0)

CASES = [
    case("both private", [timed("one", "prod", ".")], PRIVATE),
    case("private next to one for all", [WIDE], PRIVATE),
    case("for all next to an older one for all", [WIDE], timed("own", "shop"), ELSEWHERE, BESIDE),
    case("with the same settings", [timed("wide", "prod")], timed("own", "shop")),
    case("without settings", [timed("wide", "prod")], timed("own", "shop", seconds=0), BESIDE_OWN),
    case("private, without settings", [timed("wide", "prod")], timed("own", "shop", ".", seconds=0), BESIDE_OWN),
    case("a second entry of a namespace", [WIDE], timed("second", "prod"), ELSEWHERE, BESIDE),
    case(
        "a second entry of a namespace, for others",
        [timed("one", "prod", "a"), strict("a"), strict("b")],
        timed("two", "prod", "b", seconds=2.0),
    ),
    case(
        "to a namespace with an entry of its own", [timed("own", "shop", ".", seconds=0)], timed("wide", "prod"), BESIDE
    ),
    case("of another host", [entry("other")], timed("own", "shop")),
    case("on other clusters", [replace(WIDE, cluster_selector=EU)], timed("own", "shop", cluster_selector=US)),
    case(
        "an older entry comes to be seen by all", [replace(WIDE, export_to=(".",)), timed("own", "shop")], WIDE, TAKEN
    ),
    case("an unchanged conflict is not repeated for the entry that wins", [WIDE, timed("own", "shop")], WIDE),
    case(
        "connection settings next to an entry for all",
        [timed("wide", "prod", seconds=0)],
        timed("own", "prod", ".", traffic=LIMITED),
        ELSEWHERE,
    ),
    case(
        "an entry for all without connection settings next to one that has them",
        [timed("own", "prod", ".", traffic=LIMITED)],
        timed("wide", "prod", seconds=0),
    ),
    case(
        "a private entry next to one for all with connection settings",
        [timed("wide", "prod", traffic=LIMITED)],
        timed("own", "prod", ".", seconds=0),
        ELSEWHERE,
        BESIDE_OWN,
    ),
]
