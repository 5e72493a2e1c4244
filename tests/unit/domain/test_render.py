"""Policy to Istio objects, as bytes that people have read."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from egress_server.domain.effective import effective
from egress_server.domain.names import Kind, parse_name
from egress_server.domain.render import render
from egress_server.domain.render.objects import IstioObject, key_of, resource_of
from egress_server.domain.resources import Cluster, OutboundPolicy, Resource, ServiceEntry
from tests.golden.compare import assert_golden
from tests.support.meshes import BIRTH, History, cluster
from tests.unit.domain.policies import outbound_policies, service_entries

CASES = sorted(path.parent for path in (Path(__file__).parents[2] / "golden/render").glob("*/policy.yaml"))
TYPES: dict[Kind, type[Resource]] = {Kind.OUTBOUND_POLICY: OutboundPolicy, Kind.SERVICE_ENTRY: ServiceEntry}


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
    """Each case renders to its committed objects."""
    told = yaml.safe_load((case / "policy.yaml").read_text())
    where = msgspec.convert(told["cluster"], Cluster)
    objects = rendered(where, *(resource(data) for data in told["resources"]))
    made = {file_name(obj): yaml.safe_dump(obj, sort_keys=False).encode() for obj in objects}
    assert_golden(case / "want", made, update=update_golden)


def test_every_case_is_there() -> None:
    """The cases are found, so that none is passed over in silence."""
    assert len(CASES) >= 4


@settings(max_examples=50, deadline=None)
@given(st.lists(service_entries(), max_size=5), st.lists(outbound_policies(), max_size=3), st.randoms())
def test_total_and_stable(entries: list[ServiceEntry], policies: list[OutboundPolicy], random: Random) -> None:
    """Whatever is valid renders, to objects of ours with distinct keys in order; the order in which resources and
    labels were written down makes no difference to a byte."""
    resources: list[Resource] = [*entries, *policies]
    named = {item.name: item for item in resources}
    here = cluster()
    objects = rendered(here, *named.values())
    assert [key_of(obj) for obj in objects] == sorted({key_of(obj) for obj in objects})
    assert all(resource_of(obj) in named for obj in objects)
    shuffled = [turned(item, random) for item in named.values() if not isinstance(item, OutboundPolicy)]
    random.shuffle(shuffled)
    same_policies = [turned(item, random) for item in named.values() if isinstance(item, OutboundPolicy)]
    again = rendered(here, *same_policies, *shuffled)
    assert json.dumps(again) == json.dumps(objects)


def turned(item: Resource, random: Random) -> Resource:
    """The same resource, its maps in another order."""
    if isinstance(item, OutboundPolicy):
        return replace(item, scope=replace(item.scope, match_labels=shuffle(item.scope.match_labels, random)))
    assert isinstance(item, ServiceEntry)
    endpoints = tuple(
        replace(each, labels=shuffle(each.labels, random), ports=shuffle(each.ports, random)) for each in item.endpoints
    )
    return replace(item, endpoints=endpoints)


def shuffle(mapping: dict[str, Any], random: Random) -> dict[str, Any]:
    """The same items in another order."""
    items = list(mapping.items())
    random.shuffle(items)
    return dict(items)
