"""A random world by its seed."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from egress_server.domain.model.names import namespace_of
from egress_server.domain.model.resources import ServiceEntry
from tests.truth.generate import foreign, managed, mixed
from tests.truth.generate.draw import Draw
from tests.truth.generate.entries import service_entry
from tests.truth.generate.questions import questions
from tests.truth.generate.routes import virtual_service
from tests.truth.generate.themes import THEMES, Theme
from tests.truth.world import Foreign, World

_MIXED: tuple[Callable[[Draw, str], Theme], ...] = (
    *(mixed.faults, mixed.faults, mixed.faults_and_routes, mixed.merging, mixed.managed_routes, mixed.origination),
)
_OFTEN = {
    **dict.fromkeys(("destination_rule_tls", "default_route_export", "default_rule_export", "egress_proxy"), 2),
    **dict.fromkeys(("tls_routes", "tcp_routes", "no_endpoints", "upper_case", "udp_ports"), 2),
    **dict.fromkeys(("one_address_ranges", "shared_address", "external_name", "sidecar_exclusions"), 2),
    "answers": 5,
}
"""How often themes are drawn whose kinds decide few questions (`make truth` prints shares); all others once."""
_ALL = (*(theme for name, theme in THEMES.items() for _ in range(_OFTEN.get(name, 1))), *_MIXED)


def random_world(seed: int, network: str, count: int) -> World:
    """The world of this seed, with `count` questions; Services get addresses that begin with `network`."""
    draw = Draw(Random(seed))
    policies = [managed.entry(draw) for _ in range(draw.one((0, 0, 1, 1, 2, 3)))]
    policies += [managed.fault(draw) for _ in range(draw.one((0, 0, 0, 1, 2)))]
    policies += [managed.outbound_policy(draw) for _ in range(draw.one((0, 0, 0, 1, 2)))]
    found = _foreign(draw, network) if draw.chance(0.4) else []
    themes = [draw.one(_ALL)(draw, network) for _ in range(draw.one((1, 2, 2, 3)))]
    mesh = foreign.mesh_config(draw)
    for each in themes:
        found += each.objects
        policies += each.policies
        mesh |= each.mesh
    objects = {each.name: each for each in found}
    world = _in_order(World(seed, tuple(policies), tuple(objects.values()), mesh))
    return replace(world, questions=questions(draw, world, themes, network, count))


def _foreign(draw: Draw, network: str) -> list[Foreign]:
    """Foreign objects of all kinds."""
    found: list[Foreign] = []
    for _ in range(draw.one((0, 1, 1, 2, 3))):
        found += service_entry(draw)
    for _ in range(draw.one((0, 0, 1, 1, 2, 3))):
        found += virtual_service(draw)
    for _ in range(draw.one((0, 0, 1, 1, 2))):
        found += foreign.destination_rule(draw)
    for _ in range(draw.one((0, 0, 0, 1, 2))):
        found += foreign.sidecar(draw)
    for _ in range(draw.one((0, 1, 1, 2))):
        found += foreign.service(draw, network)
    return found


def _in_order(world: World) -> World:
    """The world, where entries of one namespace for one host are not equally old: istiod takes them in any order."""
    taken: set[tuple[str, str, int]] = set()

    def born(at: int, namespace: str, hosts: Iterable[str]) -> int:
        names = {host.lower().rstrip(".") for host in hosts}
        while any((namespace, name, at) in taken for name in names):
            at += 1
        taken.update((namespace, name, at) for name in names)
        return at

    policies = tuple(
        replace(each, at=born(each.at, namespace_of(each.resource.name), each.resource.hosts))
        if isinstance(each.resource, ServiceEntry)
        else each
        for each in world.policies
    )
    objects = tuple(
        replace(each, at=born(each.at, each.obj["metadata"]["namespace"], each.obj["spec"]["hosts"]))
        if each.obj["kind"] == "ServiceEntry"
        else each
        for each in world.objects
    )
    return replace(world, policies=policies, objects=objects)
