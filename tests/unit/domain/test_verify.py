"""Which probes verify policy, and how verdicts are compared. Probes only go where policy allows it."""

from dataclasses import replace
from typing import Any

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import Endpoint, OutboundPolicy, Resolution, Resource, ServiceEntry
from egress_server.domain.model.selectors import Scope
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.verify import (
    UNREGISTERED_HOST,
    UNROUTED_ADDRESS,
    Subject,
    Workload,
    changed,
    subjects,
)
from tests.support.meshes import BIRTH, History, cluster, entry, policy, ports

EAST = cluster()
BANK = entry("bank")
DEFAULT = Workload("a1", "default", {})
PROD = Workload("a2", "prod", {"app": "web"})
KNOWN = (Destination("http", "bank.example.com", 80), Destination("http", "www.example.com", 80))
STRICT, OPEN = policy("REGISTRY_ONLY"), policy("ALLOW_ANY")


def held(*resources: Resource) -> Effective:
    """The policy in effect on one cluster."""
    return effective(History(EAST, *resources).snapshot, EAST, BIRTH)


def asked(subject: Subject) -> list[tuple[str, str, str]]:
    """URL, dialed address and expected outcome of each probe."""
    return [
        (check.attempt.destination.url, check.attempt.resolve, check.expected.outcome.value) for check in subject.probes
    ]


def look(
    now: Effective,
    due: dict[str, ServiceEntry | OutboundPolicy | None],
    workloads: tuple[Workload, ...] = (DEFAULT,),
    known: tuple[Destination, ...] = (),
) -> dict[str, Subject]:
    """The subjects by resource."""
    found = subjects(now, due, workloads, known)
    assert len({subject.resource for subject in found}) == len(found)
    return {subject.resource: subject for subject in found}


def only(entry_: ServiceEntry, **more: Any) -> Subject:
    """The subject of a new entry, under REGISTRY_ONLY."""
    return look(held(STRICT, entry_), {entry_.name: None}, **more)[entry_.name]


def test_entry_is_asked_on_each_port() -> None:
    """Every HTTP and TLS port is probed, on the first host that is not a wildcard; what is left out is named."""
    spread = entry(
        "x",
        hosts=("*.a.example.com", "b.example.com", "c.example.com"),
        ports=ports("8080:GRPC", "8443:TLS", "80:HTTP", "3306:TCP"),
    )
    assert asked(only(spread)) == [
        ("http://b.example.com:8080/", "", "REGISTERED"),
        ("http://b.example.com/", "", "REGISTERED"),
        ("https://b.example.com:8443/", "", "REGISTERED"),
    ]
    assert only(spread).unprobed == "not probed: ports 3306 (TCP); hosts *.a.example.com, c.example.com"
    assert only(BANK).unprobed == ""


@pytest.mark.parametrize("hidden", ["8080:HTTP", "8443:TLS", "3306:TCP"])
def test_entry_with_a_port_that_it_does_not_serve(hidden: str) -> None:
    """If policy lets the entry serve all ports but one, it is not verified."""
    mine = entry("bank", namespace="shop", ports=ports("80:HTTP"), addresses=("203.0.113.9",))
    assert only(mine).obstacle == ""
    wider = replace(mine, ports=(*mine.ports, *ports(hidden)))
    port = int(hidden.partition(":")[0])
    namesake = entry("mine", namespace="default", hosts=BANK.hosts, ports=ports("80:HTTP"))
    seen = look(held(STRICT, wider, namesake), {wider.name: None})[wider.name]
    assert seen.obstacle == f"{namesake.name} takes precedence on port 80 of bank.example.com"
    taken = entry("taken", hosts=("x.example.com",), ports=ports(f"{port}:TCP"), addresses=("203.0.113.9",))
    found = look(held(STRICT, taken, wider), {wider.name: None})[wider.name]
    assert found.probes == ()
    assert found.obstacle.endswith(f"on port {port} of bank.example.com")


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({}, ""),
        ({"resolution": Resolution.DNS, "endpoints": (Endpoint("origin.example.com"),)}, ""),
        ({"resolution": Resolution.STATIC, "endpoints": (Endpoint("198.51.100.7"),)}, "198.51.100.7"),
        ({"addresses": ("198.51.100.0/24", "203.0.113.9")}, "203.0.113.9"),
    ],
)
def test_address_to_dial(fields: dict[str, Any], address: str) -> None:
    """DNS resolves the address, unless the entry has one."""
    assert {dialled for _, dialled, _ in asked(only(entry("bank", **fields)))} == {address}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hosts": ("*.example.com",)}, "only wildcard hosts"),
        ({"ports": ports("3306:TCP")}, "neither an HTTP nor a TLS port"),
        ({"addresses": ("198.51.100.0/24",)}, "ranges of addresses"),
        ({"export_to": ("lab",)}, "no agent runs in a namespace"),
    ],
)
def test_entry_that_no_probe_can_tell(fields: dict[str, Any], words: str) -> None:
    """What can't be probed has a reason."""
    subject = only(entry("bank", **fields))
    assert subject.probes == ()
    assert words in subject.obstacle


def test_entry_is_asked_from_where_it_is_seen() -> None:
    """The probe is sent by an agent in the entry's own namespace, if there is one, otherwise by any that sees the
    entry."""
    private = entry("bank", namespace="prod", export_to=(".",))
    assert [c.workload.agent for c in only(private, workloads=(DEFAULT, PROD)).probes] == ["a2", "a2"]
    public = entry("bank", namespace="shop")
    assert [c.workload.agent for c in only(public, workloads=(PROD, DEFAULT)).probes] == ["a2", "a2"]


def test_entry_behind_another_is_not_dialled() -> None:
    """If another entry for the host decides on a port, nothing allows dialing the destination, and what is not served
    there is not verified."""
    mine = entry("bank", namespace="lab")
    winner = entry("first", namespace="shop", hosts=BANK.hosts, ports=ports("81:HTTP"))
    hidden = look(held(STRICT, winner, mine), {mine.name: None})[mine.name]
    assert hidden.probes == ()
    assert hidden.obstacle == (
        f"policy expects BLOCKED by {STRICT.name} on port 80 of bank.example.com, so the entry does not serve it"
    )
    same = entry("first", namespace="shop", hosts=BANK.hosts, ports=ports("80:HTTP"))
    preceded = look(held(STRICT, same, mine), {mine.name: None})[mine.name]
    assert preceded.obstacle == f"{same.name} takes precedence on port 80 of bank.example.com"


def test_negative_probe_under_registry_only() -> None:
    """Every round probes an unregistered host, at an address that is not routed."""
    (subject,) = look(held(STRICT), {}).values()
    assert subject.resource == STRICT.name
    assert asked(subject) == [(f"http://{UNREGISTERED_HOST}/", UNROUTED_ADDRESS, "BLOCKED")]


def test_negative_probe_under_allow_any() -> None:
    """Under ALLOW_ANY, only a known destination that no entry covers is probed."""
    found = look(held(OPEN, BANK), {OPEN.name: None}, known=KNOWN)
    assert asked(found[OPEN.name]) == [("http://www.example.com/", "", "PASSTHROUGH")]
    covered = look(held(OPEN, BANK), {OPEN.name: None}, known=KNOWN[:1])
    assert covered[OPEN.name].probes == ()
    assert "no known external destination" in covered[OPEN.name].obstacle
    assert look(held(OPEN), {}) == {}


def test_negative_probe_without_any_policy() -> None:
    """Without a policy the result is attributed to the cluster."""
    assert list(look(held(), {}, known=KNOWN)) == [EAST.name]
    assert "no known external destination" in look(held(), {EAST.name: None})[EAST.name].obstacle


def test_no_negative_probe_where_an_entry_covers_all() -> None:
    """A wildcard that covers even the reserved name leaves nothing to block."""
    found = look(held(STRICT, entry("all", hosts=("*.invalid",))), {STRICT.name: None})
    assert "covers every host" in found[STRICT.name].obstacle


def test_policy_is_asked_where_it_decides() -> None:
    """A policy is verified from a workload that it applies to; an overridden one can't be."""
    lab = policy("ALLOW_ANY", "lab", scope=Scope("prod"))
    found = look(held(STRICT, lab), {STRICT.name: None, lab.name: None}, (PROD, DEFAULT), KNOWN)
    assert [check.workload for check in found[STRICT.name].probes] == [DEFAULT]
    assert [check.workload for check in found[lab.name].probes] == [PROD]
    alone = look(held(STRICT, lab), {STRICT.name: None}, (PROD,), KNOWN)
    assert "that this policy applies to" in alone[STRICT.name].obstacle


def test_policy_that_is_gone() -> None:
    """After a deletion, the workloads that it applied to are probed."""
    gone = policy("ALLOW_ANY", "gone", scope=Scope("prod", {"app": "web"}))
    found = look(held(STRICT), {gone.name: gone}, (DEFAULT, PROD))
    assert asked(found[gone.name]) == [(f"http://{UNREGISTERED_HOST}/", UNROUTED_ADDRESS, "BLOCKED")]
    assert [check.workload for check in found[gone.name].probes] == [PROD]
    assert look(held(STRICT), {gone.name: gone}, (DEFAULT,))[gone.name].obstacle
    other = replace(gone, scope=Scope("prod", {"app": "other"}))
    assert look(held(STRICT), {gone.name: other}, (PROD,))[gone.name].obstacle


def test_entry_that_is_gone() -> None:
    """Its host must be blocked, dialed at an address that is not routed; or it passes, which only a known destination
    may show."""
    strict = look(held(STRICT), {BANK.name: BANK})[BANK.name]
    assert asked(strict) == [
        ("http://bank.example.com/", UNROUTED_ADDRESS, "BLOCKED"),
        ("https://bank.example.com/", UNROUTED_ADDRESS, "BLOCKED"),
    ]
    lenient = look(held(OPEN), {BANK.name: BANK}, known=KNOWN)[BANK.name]
    assert asked(lenient) == [("http://bank.example.com/", "", "PASSTHROUGH")]
    unseen = look(held(OPEN), {BANK.name: BANK})[BANK.name]
    assert unseen.probes == ()
    assert "not dialed" in unseen.obstacle


def test_changed_since_a_state() -> None:
    """What was added, changed or removed; removed resources with their last state."""
    history = History(EAST, STRICT, BANK, entry("shop"), entry("news"))
    before = effective(history.snapshot, EAST, BIRTH)
    history.set(entry("shop", hosts=("new.example.com",)))
    history.delete(BANK)
    history.delete(STRICT)
    history.set(entry("games"))
    due = changed(before, effective(history.snapshot, EAST, BIRTH), 0)
    assert due == {entry("shop").name: None, entry("games").name: None, BANK.name: BANK, STRICT.name: STRICT}


def test_changed_since_a_revision() -> None:
    """After a restart: what changed after the last verdict; the cluster too if there never was one."""
    now = held(STRICT, BANK)
    assert changed(None, now, 0) == {EAST.name: None, STRICT.name: None, BANK.name: None}
    assert changed(None, now, 3) == {BANK.name: None}
    assert changed(None, now, 4) == {}
