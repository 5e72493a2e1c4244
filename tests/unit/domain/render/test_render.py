"""Policy to Istio objects, compared with reviewed golden files."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.lint.engine import lint
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.objects import IstioObject, key_of, resource_of
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Resource, ServiceEntry
from egress_server.domain.render import render
from egress_server.formats.strict_yaml import dump
from egress_server.store.cluster_record import ClusterRecord, from_record
from tests.golden.compare import assert_golden
from tests.support.meshes import BIRTH, History
from tests.support.paths import ROOT
from tests.unit.domain.policies import (
    clusters,
    faults,
    interceptions,
    outbound_policies,
    service_entries,
    treated_entries,
)
from tests.unit.domain.render.istio_rules import check

CASES = sorted(path.parent for path in (ROOT / "tests/golden/render").glob("*/policy.yaml"))
TYPES: dict[ResourceKind, type[Resource]] = {
    ResourceKind.OUTBOUND_POLICY: OutboundPolicy,
    ResourceKind.SERVICE_ENTRY: ServiceEntry,
    ResourceKind.FAULT: Fault,
    ResourceKind.INTERCEPTION: Interception,
}


def rendered(cluster: Cluster, *resources: Resource) -> tuple[IstioObject, ...]:
    """The objects of these resources on one cluster."""
    return render(effective(History(cluster, *resources).snapshot, cluster, BIRTH))


def file_name(obj: IstioObject) -> str:
    """KIND-NAMESPACE-NAME.yaml"""
    key = key_of(obj)
    return f"{key.kind}-{key.namespace}-{key.name}.yaml".lower()


def resource(data: dict[str, Any]) -> Resource:
    """The resource written in a case."""
    return msgspec.convert(data, TYPES[parse_name(data["name"]).kind])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path, update_golden: bool) -> None:
    """Each case renders to its committed objects, which satisfy Istio's rules."""
    written = yaml.safe_load((case / "policy.yaml").read_text())
    where = from_record(msgspec.convert(written["cluster"], ClusterRecord))
    objects = rendered(where, *(resource(data) for data in written["resources"]))
    for obj in objects:
        check(obj)
    made = {file_name(obj): dump(obj).encode() for obj in objects}
    assert_golden(case / "want", made, update=update_golden)


def test_every_case_is_there() -> None:
    """The cases are found, so that none is silently skipped."""
    assert len(CASES) >= 7


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    clusters(),
    st.lists(service_entries() | treated_entries(), max_size=4),
    st.lists(faults(), max_size=4),
    st.lists(outbound_policies(), max_size=2),
    st.lists(interceptions(), max_size=2),
    st.randoms(),
)
def test_total_and_stable(
    here: Cluster,
    entries: list[ServiceEntry],
    disturbing: list[Fault],
    policies: list[OutboundPolicy],
    intercepted: list[Interception],
    random: Random,
) -> None:
    """Every valid policy that no lint rule about a single entry blocks renders to managed objects that Istio accepts,
    with distinct keys in order; the order of resources and labels does not change a byte."""
    entries = [entry for entry in entries if not refused_by_istio(entry)]
    aimed = aim(disturbing, entries)
    resources: list[Resource] = [*entries, *aimed, *policies, *intercepted]
    named = {item.name: item for item in resources}
    wanted = effective(History(here, *named.values()).snapshot, here, BIRTH)
    objects = render(wanted)
    assert [key_of(obj) for obj in objects] == sorted({key_of(obj) for obj in objects})
    assert all(resource_of(obj) in named for obj in objects)
    for obj in objects:
        check(obj)
    again = render(shuffled(wanted, random))
    assert json.dumps(again) == json.dumps(objects)


def refused_by_istio(entry: ServiceEntry) -> bool:
    """Whether lint knows that Istio's webhook rejects it."""
    return any(finding.code in {"EGR0103", "EGR0104"} for finding in lint(History().snapshot, entry).findings)


def aim(disturbing: list[Fault], entries: list[ServiceEntry]) -> list[Fault]:
    """Every second fault applies to a registered host, so that routes and faults meet."""
    hosts = [host for entry in entries for host in entry.hosts] or ["nobody.example.com"]
    return [
        replace(each, host=hosts[number % len(hosts)]) if number % 2 else each for number, each in enumerate(disturbing)
    ]


def shuffled(wanted: Effective, random: Random) -> Effective:
    """The same, with everything unordered in another order."""
    entries = [turned_entry(entry, random) for entry in wanted.entries]
    random.shuffle(entries)
    return replace(
        wanted,
        outbound=shuffle({key: turned(policy, random) for key, policy in wanted.outbound.items()}, random),
        interceptions=shuffle({key: turned(policy, random) for key, policy in wanted.interceptions.items()}, random),
        entries=tuple(entries),
        faults=tuple(
            replace(a, fault=replace(a.fault, source_labels=shuffle(a.fault.source_labels, random)))
            for a in wanted.faults
        ),
        create_times=shuffle(wanted.create_times, random),
    )


def turned(policy: Any, random: Random) -> Any:
    """The same policy, with the labels of its scope in another order."""
    return replace(policy, scope=replace(policy.scope, match_labels=shuffle(policy.scope.match_labels, random)))


def turned_entry(entry: ServiceEntry, random: Random) -> ServiceEntry:
    """The same entry, with its maps in another order."""
    endpoints = tuple(
        replace(each, labels=shuffle(each.labels, random), ports=shuffle(each.ports, random))
        for each in entry.endpoints
    )
    return replace(entry, endpoints=endpoints)


def shuffle(mapping: dict[str, Any], random: Random) -> dict[str, Any]:
    """The same items in another order."""
    items = list(mapping.items())
    random.shuffle(items)
    return dict(items)
