"""Lint costs the same with a hundred entries and with ten thousand."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

from egress_server.domain.desired.snapshot import Snapshot, Update
from egress_server.domain.lint.engine import lint, lint_delete
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.resources import Resolution, Resource, ServiceEntry
from egress_server.domain.observed.inventory_index import Inventories
from tests.support.inventories import foreign, inventory, kubernetes, routes, service, sidecar
from tests.support.meshes import BIRTH, entry, fault, policy, ports, selector

FEW, MANY = 100, 10_000
Maker = Callable[[int], ServiceEntry]


def public(number: int) -> ServiceEntry:
    """Visible to all, with the ports and resolution that most entries have."""
    return entry(f"e{number}", resolution=Resolution.DNS)


def private(number: int) -> ServiceEntry:
    """Visible to its namespace only, on a port of its own."""
    return entry(f"e{number}", namespace=f"n{number}", export_to=(".",), ports=ports("8080:HTTP", "8443:TLS"))


def database(number: int) -> ServiceEntry:
    """TCP without addresses, which does not affect others of its kind."""
    return entry(f"e{number}", ports=ports("3306:TCP"))


def elsewhere(number: int) -> ServiceEntry:
    """On one of ten clusters."""
    return entry(f"e{number}", cluster_selector=selector(f"c{number % 10}"), ports=ports("8080:HTTP", "3306:TCP"))


def mesh(make: Maker, count: int) -> Snapshot:
    """A mesh with this many entries."""
    return Snapshot("default", "e", count, (Versioned(make(number), number, BIRTH, BIRTH) for number in range(count)))


def steps(do: Callable[[], Any]) -> int:
    """The number of interpreter instructions that `do` takes, at most a million."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        assert count < 1_000_000
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


def mutations(make: Maker) -> Iterator[tuple[str, Resource]]:
    """Mutations in a mesh with such entries."""
    yield "one more of them", make(10 * MANY)
    yield "one of them again", make(7)
    yield "an entry for all", entry("new", ports=ports("80:HTTP", "8080:HTTP", "8443:TLS", "443:HTTPS"))
    yield "a database", entry("new", ports=ports("3306:TCP"), resolution=Resolution.NONE)
    yield "an entry elsewhere", entry("new", cluster_selector=selector("other"), ports=ports("8080:HTTP", "8443:TLS"))
    yield "an entry in another namespace", entry("new", namespace="new", export_to=(".",), ports=ports("8080:HTTP"))
    yield "a policy", policy("REGISTRY_ONLY", cluster_selector=selector("other"))
    yield "a fault", fault(host="e7.example.com")


def inventories(count: int) -> Inventories:
    """An inventory of each of this many clusters, with a foreign Service, entry, VirtualService and Sidecar, some of
    them with the hosts and ports of managed entries."""
    return Inventories(
        inventory(
            f"c{number}",
            services=(service(), service("api", ports=ports("8080:HTTP"))),
            entries=(foreign("e7"), foreign(f"x{number}", ports=ports("8443:TLS", "3306:TCP"))),
            virtual_services=(routes("e7.example.com"),),
            sidecars=(sidecar("./*", namespace=f"n{number}"),),
        )
        for number in range(count)
    )


def test_cost_does_not_grow_with_clusters() -> None:
    """The number of clusters and of foreign objects on them makes no difference either."""
    few, many = mesh(public, FEW), mesh(public, FEW)
    for snapshot, count in ((few, 60), (many, 600)):
        for number in range(count):
            snapshot.apply(Update(snapshot.revision + 1, Versioned(kubernetes(f"c{number}"), 1, BIRTH, BIRTH)))
        snapshot.inventories = inventories(count)
    for text, new in mutations(public):
        assert steps(partial(lint, many, new)) <= 1.2 * steps(partial(lint, few, new)) + 100, text


@pytest.mark.parametrize("make", [public, private, database, elsewhere])
def test_cost_does_not_grow(make: Maker) -> None:
    """Setting and deleting take the same number of instructions, whatever else exists."""
    few, many = mesh(make, FEW), mesh(make, MANY)
    for text, new in mutations(make):
        assert steps(partial(lint, many, new)) <= 1.2 * steps(partial(lint, few, new)) + 100, text
    gone = make(7)
    assert steps(partial(lint_delete, many, gone)) <= 1.2 * steps(partial(lint_delete, few, gone)) + 100
