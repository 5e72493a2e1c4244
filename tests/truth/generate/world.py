"""A random world by its seed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random

from egress_server.domain.model.names import namespace_of
from egress_server.domain.model.resources import ServiceEntry
from tests.truth.generate import addresses, foreign, managed, mixed
from tests.truth.generate.draw import Draw
from tests.truth.generate.entries import service_entry
from tests.truth.generate.questions import questions
from tests.truth.generate.routes import virtual_service
from tests.truth.generate.themes import THEMES, Theme
from tests.truth.world import Foreign, World

_MIXED: tuple[Callable[[Draw, str], Theme], ...] = (
    *(mixed.faults, mixed.faults_and_routes, mixed.merging, mixed.managed_routes, mixed.origination),
)
_ADDRESSES = (
    *(addresses.other_family, addresses.one_address_ranges, addresses.ranges_by_name, addresses.shared_address),
    addresses.dns_capture,
)
_TWICE = ("tcp_routes", "foreign_faults", "subsets", "sidecar_ports", "sidecar_exclusions", "ranges_by_name")
_OFTEN = {
    **dict.fromkeys(_TWICE, 2),
    **dict.fromkeys(("default_rule_export", "external_name", "shared_address"), 3),
}
"""How often themes are drawn whose kinds decide few questions (`make truth` prints shares); all others once."""
_ALL = tuple(theme for theme in (*THEMES, *_ADDRESSES, *_MIXED) for _ in range(_OFTEN.get(theme.__name__, 1)))
_PER_WORLD = 2


def random_world(seed: int, network: str, count: int) -> World:
    """The world of this seed, with `count` questions; Services get addresses that begin with `network`."""
    draw = Draw(Random(seed))
    policies = [managed.entry(draw) for _ in range(draw.one((0, 0, 1, 1, 2, 3)))]
    policies += [managed.fault(draw) for _ in range(draw.one((0, 0, 0, 1, 2)))]
    policies += [managed.outbound_policy(draw) for _ in range(draw.one((0, 0, 0, 1, 2)))]
    found = _foreign(draw, network) if draw.chance(0.5) else []
    themes = [theme(draw, network) for theme in _themes(seed)]
    mesh = foreign.mesh_config(draw)
    for each in themes:
        found += each.objects
        policies += each.policies
        mesh |= each.mesh
    objects = {each.name: each for each in found}
    world = _in_order(World(seed, tuple(policies), tuple(objects.values()), mesh))
    return replace(world, questions=questions(draw, world, themes, network, count))


def _themes(seed: int) -> Iterator[Callable[[Draw, str], Theme]]:
    """The themes of the world of this seed: worlds that follow each other have all of them in turn."""
    for number in range(seed * _PER_WORLD, (seed + 1) * _PER_WORLD):
        turn, place = divmod(number, len(_ALL))
        yield Random(turn).sample(_ALL, len(_ALL))[place]


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
