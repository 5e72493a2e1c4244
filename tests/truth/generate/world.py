"""A random world by its seed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
from tests.truth.world import Foreign, Policy, World

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
    world = World(seed, tuple(policies), tuple(_in_order(objects.values(), policies)), mesh)
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


def _in_order(objects: Iterable[Foreign], policies: Sequence[Policy]) -> Iterator[Foreign]:
    """The objects, where entries of one namespace for one host are not equally old: istiod takes them in any order."""
    hosts = {(namespace_of(each.resource.name), host): {each.at} for each in policies for host in _hosts(each)}
    for each in objects:
        at, meta = each.at, each.obj["metadata"]
        if each.obj["kind"] == "ServiceEntry":
            keys = [(meta["namespace"], host.lower()) for host in each.obj["spec"]["hosts"]]
            while any(at in hosts.get(key, ()) for key in keys):
                at += 1
            for key in keys:
                hosts.setdefault(key, set()).add(at)
        yield Foreign(each.obj, at)


def _hosts(policy: Policy) -> tuple[str, ...]:
    return policy.resource.hosts if isinstance(policy.resource, ServiceEntry) else ()
