"""Which of several entries istiod takes first: the older one by the cluster's clock, in seconds; either of two that are
equally old. Each value was compared with istiod."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.model.resources import OutboundMode, Resolution, Resource, ServiceEntry
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import ForeignEntry
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.probe.verdicts import Outcome, Upstream
from egress_server.domain.simulate.evaluate import Evaluation, Request, evaluate
from egress_server.domain.simulate.outbound_mode import effective_mode
from tests.support.inventories import AFTER, foreign, inventory, kubernetes, sidecar
from tests.support.meshes import BIRTH, History, entry, policy, ports

HOST = "bank.example.com"
BLOCKED, REGISTERED = Outcome.BLOCKED, Outcome.REGISTERED
SECOND = timedelta(seconds=1)


def seen(*resources: Resource, times: dict[str, datetime] | None = None, **there: Any) -> Effective:
    """A cluster under REGISTRY_ONLY that created the objects of the resources at these times."""
    east = kubernetes()
    wanted = effective(History(east, policy("REGISTRY_ONLY"), *resources).snapshot, east, BIRTH)
    return with_inventory(wanted, inventory(managed_times=times or {}, **there))


def answer(there: Effective, scheme: str, port: int, host: str = HOST, address: str = "") -> Evaluation:
    """What happens to a connection of a workload in namespace default."""
    return evaluate(there, Request(Destination(scheme, host, port), "default", address=address))


def pair(**second: Any) -> tuple[ServiceEntry, ServiceEntry]:
    """Two entries for one host in one namespace, with one port each."""
    one = entry("one", hosts=(HOST,), ports=ports("80:HTTP"))
    return one, entry("two", hosts=(HOST,), ports=ports("443:TLS"), **second)


@pytest.mark.parametrize("apart", [timedelta(), timedelta(microseconds=999_999)])
def test_equally_old(apart: timedelta) -> None:
    """Either of the two serves its port only, so each port may be served or not."""
    one, two = pair(labels={"a": "b"})
    there = seen(one, two, times={one.name: AFTER, two.name: AFTER + apart})
    for scheme, port in (("http", 80), ("tls", 443)):
        found = answer(there, scheme, port)
        assert {found.expectation.outcome, *found.expectation.also} == {BLOCKED, REGISTERED}
        assert [each.entry.name for each in found.tied] == [one.name, two.name]
        assert [each.outcome for each in found.expectations] in ([BLOCKED, REGISTERED], [REGISTERED, BLOCKED])


@pytest.mark.parametrize("order", [1, -1])
def test_the_older_one_by_the_clock_of_the_cluster(order: int) -> None:
    """Not the one whose resource is older: the cluster may have created its object again."""
    one, two = pair(labels={"a": "b"})
    there = seen(one, two, times={one.name: AFTER, two.name: AFTER + order * SECOND})
    http, tls = answer(there, "http", 80), answer(there, "tls", 443)
    expected = [REGISTERED, BLOCKED] if order > 0 else [BLOCKED, REGISTERED]
    assert [http.expectation.outcome, tls.expectation.outcome] == expected
    assert (http.expectation.also, http.tied) == ((), ())


def test_equally_old_and_merged() -> None:
    """Their order does not matter."""
    one, two = pair()
    found = answer(seen(one, two, times={one.name: AFTER, two.name: AFTER}), "tls", 443)
    assert (found.expectation.outcome, found.expectation.also, found.tied) == (REGISTERED, (), ())


def test_equally_old_in_different_namespaces() -> None:
    """The first namespace by name provides the host, whichever resource is older."""
    zoo = entry("zoo", namespace="zoo", hosts=(HOST,), ports=ports("80:HTTP"))
    air = entry("air", namespace="air", hosts=(HOST,), ports=ports("443:TLS"))
    found = answer(seen(zoo, air, times={zoo.name: AFTER, air.name: AFTER}), "http", 80)
    assert (found.expectation.outcome, found.tied) == (BLOCKED, ())


def test_equally_old_for_different_hosts() -> None:
    """The first host by name gets all TCP connections to a port."""
    zoo, air = (entry(id_, ports=ports("5000:TCP"), resolution=Resolution.DNS) for id_ in ("zoo", "air"))
    for born, host in ((AFTER, air), (AFTER + SECOND, zoo)):
        there = seen(zoo, air, times={zoo.name: AFTER, air.name: born})
        found = answer(there, "tcp", 5000, "zoo.example.com").expectation
        assert found.upstreams == (Upstream(host.hosts[0], 5000),)


def test_three_that_are_equally_old() -> None:
    """Each of them may be the first."""
    there = [
        ForeignEntry(entry(id_, hosts=(HOST,), ports=ports(f"{port}:HTTP")), AFTER, "helm", labels={"app": id_})
        for id_, port in (("a", 81), ("b", 82), ("c", 83))
    ]
    for port in (81, 82, 83):
        found = answer(seen(entries=tuple(there)), "http", port)
        assert [each.outcome for each in found.expectations].count(REGISTERED) == 1
        assert len(found.tied) == 3


def test_addresses_of_one_entry() -> None:
    """An entry with several addresses becomes several services, which are equally old; a Sidecar that imports exact
    hosts from exact namespaces has one of them."""
    both = foreign("bank", ports=ports("5000:TCP"), addresses=("203.0.113.1", "203.0.113.2"))
    there = seen(entries=(both,), sidecars=(sidecar(f"./{HOST}"),))
    for address in ("203.0.113.1", "203.0.113.2"):
        found = answer(there, "tcp", 5000, address=address)
        assert {found.expectation.outcome, *found.expectation.also} == {BLOCKED, REGISTERED}
        assert {each.address for each in found.tied} == {"203.0.113.1", "203.0.113.2"}
    everything = seen(entries=(both,), sidecars=(sidecar(listeners=(EgressListener(("*/*",)),)),))
    assert answer(everything, "tcp", 5000, address="203.0.113.2").expectation.also == ()


@pytest.mark.parametrize(("apart", "expected"), [(timedelta(), "ALLOW_ANY"), (-SECOND, "REGISTRY_ONLY")])
def test_sidecars_of_equal_age(apart: timedelta, expected: str) -> None:
    """Of two that select a workload the older one applies, else the first by name."""
    strict = policy("REGISTRY_ONLY", "z", scope=Scope("default", {"app": "web"}))
    lax = policy("ALLOW_ANY", "a", scope=Scope("default", {"tier": "front"}))
    there = seen(strict, lax, times={lax.name: AFTER, strict.name: AFTER + apart})
    assert effective_mode(there, "default", {"app": "web", "tier": "front"}).mode == OutboundMode(expected).value
