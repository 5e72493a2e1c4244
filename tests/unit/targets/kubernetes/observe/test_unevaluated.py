"""Objects that may change what sidecars do, and that are only listed."""

from typing import Any

import pytest

from egress_server.domain.observed.inventory import UnevaluatedObject
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.observe.unevaluated import unevaluated_objects
from tests.unit.targets.kubernetes.observations import ROOT, found, observe


def listed(*objects: CachedObject, there: tuple[CachedObject, ...] = ()) -> list[UnevaluatedObject]:
    """Those of one kind, on a cluster with other objects."""
    return list(unevaluated_objects(observe(*there), {objects[0].key.kind: objects}))


def patches(*contexts: str) -> dict[str, Any]:
    """Of an EnvoyFilter."""
    matches = [{"context": context} if context else {} for context in contexts]
    return {"configPatches": [{"applyTo": "HTTP_FILTER", "match": match} for match in matches]}


def test_an_envoy_filter() -> None:
    """In the root namespace it applies to the whole mesh, elsewhere to its own namespace."""
    spec = {**patches("SIDECAR_OUTBOUND"), "workloadSelector": {"labels": {"app": "web"}}}
    assert listed(found("EnvoyFilter", "f", spec, namespace="shop")) == [
        UnevaluatedObject("EnvoyFilter", "shop", "f", "shop", {"app": "web"}, owner="kubectl")
    ]
    assert listed(found("EnvoyFilter", "f", patches("ANY"), namespace=ROOT)) == [
        UnevaluatedObject("EnvoyFilter", ROOT, "f", owner="kubectl")
    ]


@pytest.mark.parametrize(
    ("kind", "spec", "applies"),
    [
        ("EnvoyFilter", patches(""), True),
        ("EnvoyFilter", patches("SIDECAR_INBOUND", "SIDECAR_OUTBOUND"), True),
        ("EnvoyFilter", patches("SIDECAR_INBOUND", "GATEWAY"), False),
        ("EnvoyFilter", {**patches("ANY"), "targetRefs": [{"kind": "Gateway", "name": "g"}]}, False),
        ("WasmPlugin", {"selector": {"matchLabels": {}}}, True),
        ("WasmPlugin", {"match": [{"mode": "CLIENT"}]}, True),
        ("WasmPlugin", {"match": [{"mode": "SERVER"}]}, False),
        ("WasmPlugin", {"targetRef": {"kind": "Gateway", "name": "g"}}, False),
    ],
)
def test_only_outbound_connections_of_sidecars_count(kind: str, spec: dict[str, Any], applies: bool) -> None:
    """Not inbound ones, and not gateways."""
    assert bool(listed(found(kind, "x", spec))) is applies


def test_objects_of_another_revision_do_not_count() -> None:
    """istiod does not read them."""
    assert listed(found("EnvoyFilter", "f", patches("ANY"), labels={"istio.io/rev": "canary"})) == []


def test_routes_that_are_attached_to_services() -> None:
    """Those of gateways don't count. A route in another namespace applies to that namespace's clients only."""
    entry = found("ServiceEntry", "bank", {"hosts": ["bank.example", "pay.example"]}, namespace="shop")
    parents = [
        {"kind": "Gateway", "name": "g"},
        {"kind": "Service", "name": "web"},
        {"kind": "ServiceEntry", "name": "bank", "namespace": "shop"},
        {"kind": "Hostname", "name": "x.example"},
    ]
    assert listed(found("HTTPRoute", "r", {"parentRefs": parents}), there=(entry,)) == [
        UnevaluatedObject(
            "HTTPRoute", "default", "r", hosts=("web.default.svc.cluster.local", "x.example"), owner="kubectl"
        ),
        UnevaluatedObject(
            "HTTPRoute", "default", "r", "default", hosts=("bank.example", "pay.example"), owner="kubectl"
        ),
    ]
    assert listed(found("HTTPRoute", "r", {"parentRefs": parents[:1]})) == []
