"""Which probes show that a fault is active, or gone; and what interception means for the others."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.resources import Delay, Fault, HeaderMatch, MatchKind, Resource
from egress_server.domain.probe.agreement import Agreement, compare
from egress_server.domain.probe.evidence import Evidence
from egress_server.domain.probe.verdicts import Expectation, Outcome, Verdict
from egress_server.domain.verify import Subject, Workload, changed, expected_of, subjects
from tests.support.meshes import BIRTH, History, cluster, entry, fault, interception, policy, ports

EAST = cluster()
STRICT = policy("REGISTRY_ONLY")
BANK = entry("bank")
SHOP = Workload("a1", "shop", {"app": "shop"})
WEB = Workload("a2", "web", {"app": "web"})


def held(*resources: Resource, seconds: float = 0.0) -> Effective:
    """The state of one cluster with these resources, this long after the mesh was created."""
    return effective(History(EAST, *resources).snapshot, EAST, BIRTH + timedelta(seconds=seconds))


def look(now: Effective, name: str, gone: Fault | None = None) -> Subject:
    """The subject of one resource, with workloads in two namespaces."""
    return next(s for s in subjects(now, {name: gone}, (SHOP, WEB), ()) if s.resource == name)


def test_a_fault_is_seen_by_a_request_it_is_for() -> None:
    """One HTTP request to the host of the fault."""
    (check,) = look(held(STRICT, BANK, fault()), fault().name).probes
    assert (check.attempt.destination.url, check.expected.outcome) == ("http://bank.example.com/", Outcome.FAULTED)
    assert check.expected.resource == fault().name


@pytest.mark.parametrize(
    ("fields", "agent", "url"),
    [
        ({"source_namespace": "web"}, "a2", "http://bank.example.com/"),
        ({"source_labels": {"app": "web"}}, "a2", "http://bank.example.com/"),
        ({"ports": (8080,)}, "a1", "http://bank.example.com:8080/"),
        ({"match_headers": (HeaderMatch("x-user", MatchKind.EXACT, "me"),)}, "a1", "http://bank.example.com/"),
        ({"match_headers": (HeaderMatch("x-user"),)}, "a1", "http://bank.example.com/"),
    ],
)
def test_who_asks_what(fields: dict[str, Any], agent: str, url: str) -> None:
    """The workload, the port and the headers are those of the fault."""
    bank = entry("bank", ports=ports("80:HTTP", "8080:HTTP"))
    (check,) = look(held(STRICT, bank, fault(**fields)), fault().name).probes
    assert (check.workload.agent, check.attempt.destination.url) == (agent, url)
    assert set(check.attempt.headers) == {match.name for match in fields.get("match_headers", ())}


@pytest.mark.parametrize("fields", [{"source_namespace": "other"}, {"host": "*.example.com"}, {"ports": (443,)}])
def test_fault_that_cannot_be_probed(fields: dict[str, Any]) -> None:
    """A fault for workloads without an agent, or without a single host, has a reason why it is not verified."""
    wild = entry("bank", hosts=("*.example.com", "bank.example.com"))
    subject = look(held(STRICT, wild, fault(**fields)), fault().name)
    assert (subject.probes, subject.obstacle != "") == ((), True)


def test_dice() -> None:
    """A fault on a share of the requests agrees with both outcomes."""
    some = replace(fault(), abort=None, delay=Delay(1.0, percent=10))
    (check,) = look(held(STRICT, BANK, some), some.name).probes
    for outcome in (Outcome.FAULTED, Outcome.REGISTERED):
        assert compare(check.expected, Verdict(outcome, "", ())).agreement is Agreement.AGREES


def test_an_entry_with_a_fault() -> None:
    """An entry with a fault on it is verified all the same."""
    (http, tls) = look(held(STRICT, BANK, fault()), BANK.name).probes
    assert (http.expected.outcome, tls.expected.outcome) == (Outcome.FAULTED, Outcome.REGISTERED)


def test_cleared() -> None:
    """The removal of a fault is verified: the requests reach the service."""
    before, now = held(STRICT, BANK, fault()), held(STRICT, BANK)
    due = changed(before, now, 9)
    assert due == {fault().name: fault()}
    (check,) = look(now, fault().name, fault()).probes
    assert check.expected.outcome is Outcome.REGISTERED


def test_over() -> None:
    """An expired fault that is still in desired state is not verified."""
    subject = look(held(STRICT, BANK, fault(), seconds=9999), fault().name)
    assert subject.obstacle == "it has expired"


def test_interception_decides_by_the_dialled_address() -> None:
    """If the dialled address bypasses the sidecar, policy expects that, whatever the registry has."""
    aside = interception(include_cidrs=("10.0.0.0/8",))
    now = held(STRICT, BANK, aside)
    check = look(now, BANK.name).probes[0]
    past = expected_of(now, check, Evidence(captured=False, address="203.0.113.9:80"))
    assert (past.outcome, past.resource) == (Outcome.BYPASSED, aside.name)
    caught = expected_of(now, check, Evidence(captured=True, address="10.1.2.3:80"))
    assert caught.outcome is Outcome.REGISTERED
    assert expected_of(now, check, Evidence(captured=False, address="")) == check.expected
    assert look(now, aside.name).obstacle != ""


def test_without_expectation_there_is_no_disagreement() -> None:
    """If policy expects nothing in particular, no result is a disagreement."""
    unsure = Expectation(Outcome.INCONCLUSIVE)
    assert compare(unsure, Verdict(Outcome.REGISTERED, "", ())).agreement is Agreement.UNKNOWN
