"""A random world by its seed."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

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
_ALL = (*THEMES.values(), *_MIXED)


def random_world(seed: int, network: str, count: int) -> World:
    """The world of this seed, with `count` questions; Services get addresses that begin with `network`."""
    draw = Draw(Random(seed))
    policies = [managed.entry(draw) for _ in range(draw.one((0, 1, 1, 2, 2, 3)))]
    policies += [managed.fault(draw) for _ in range(draw.one((0, 0, 1, 1, 2)))]
    policies += [managed.outbound_policy(draw) for _ in range(draw.one((0, 0, 1, 1, 2)))]
    found = _foreign(draw, network) if draw.chance(0.6) else []
    themes = [draw.one(_ALL)(draw, network) for _ in range(draw.one((1, 1, 2)))]
    mesh = foreign.mesh_config(draw)
    for each in themes:
        found += each.objects
        policies += each.policies
        mesh |= each.mesh
    objects = {each.name: each for each in found}
    world = World(seed, tuple(policies), tuple(objects.values()), mesh)
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
