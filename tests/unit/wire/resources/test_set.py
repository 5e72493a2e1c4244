"""Sets: how SetOutboundPolicy, UpsertServiceEntry and RegisterCluster are decoded, and what each refuses."""

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from egress.v1 import cluster_pb2, outbound_policy_pb2, service_entry_pb2
from egress_server.domain.model.clusters import Cluster, LocalTarget
from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import (
    Endpoint,
    OutboundMode,
    OutboundPolicy,
    Protocol,
    Resolution,
    ServiceEntry,
    ServicePort,
)
from egress_server.domain.model.selectors import ClusterSelector, Scope
from tests.support.requests import ENTRY, MESH, POLICY
from tests.unit.wire.decoding import decode, refused, request

YAML = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {META}\nspec: {SPEC}\n"
SPEC = "hosts: [a.example.com], ports: [{number: 80, protocol: HTTP}], resolution: DNS"


def policy(**fields: Any) -> outbound_policy_pb2.OutboundPolicy:
    """A policy from its JSON."""
    return ParseDict({"mode": "ALLOW_ANY", **fields}, outbound_policy_pb2.OutboundPolicy())


def entry(**fields: Any) -> service_entry_pb2.ServiceEntry:
    """An entry from its JSON."""
    whole = {"hosts": ["a.example.com"], "ports": [{"number": 80, "protocol": "HTTP"}], **fields}
    return ParseDict(whole, service_entry_pb2.ServiceEntry())


def yaml(meta: str = "name: bank", spec: str = SPEC, **fields: Any) -> Any:
    """An upsert by YAML, for the mesh."""
    text = YAML.replace("META", meta).replace("SPEC", spec)
    return request(
        "UpsertServiceEntry",
        **{"service_entry": None, "service_entry_id": None, "parent": MESH, "istio_yaml": text, **fields},
    )


# What is read


def test_a_policy_is_read_whole() -> None:
    """Mode, scope and selector as sent."""
    found = decode(request("SetOutboundPolicy", outbound_policy_id="shop")).resource
    assert found == OutboundPolicy(
        f"{MESH}/outboundPolicies/shop",
        OutboundMode.REGISTRY_ONLY,
        Scope("prod", {"app": "shop"}),
        ClusterSelector(match_labels={"env": "prod"}),
    )


def test_an_entry_is_read_whole() -> None:
    """Every field, names in lower case, the port with a name."""
    given = entry(
        hosts=["A.Example.com"],
        ports=[{"number": 80, "protocol": "GRPC_WEB", "targetPort": 8080}],
        resolution="STATIC",
        endpoints=[{"address": "2001:DB8::7", "ports": {"grpc-web-80": 1}, "weight": 3}],
        addresses=["2001:DB8::1"],
        exportTo=["."],
        clusterSelector={"clusters": ["east"]},
    )
    assert decode(request("UpsertServiceEntry", service_entry=given)).resource == ServiceEntry(
        name=ENTRY,
        hosts=("a.example.com",),
        ports=(ServicePort(80, Protocol.GRPC_WEB, "grpc-web-80", 8080),),
        resolution=Resolution.STATIC,
        endpoints=(Endpoint("2001:db8::7", {"grpc-web-80": 1}, weight=3),),
        addresses=("2001:db8::1",),
        export_to=(".",),
        cluster_selector=ClusterSelector(("east",)),
    )


def test_a_cluster_is_read_whole() -> None:
    """Its labels and its target."""
    found = decode(request("RegisterCluster")).cluster
    assert found == Cluster(f"{MESH}/clusters/east", LocalTarget(), {"env": "prod"})


def test_what_the_server_sets_is_passed_over() -> None:
    """A resource that was read can be sent back as it is: the etag in it is not a precondition."""
    given = policy(name=POLICY, etag="stale", revision="5", createTime="2026-01-01T00:00:00Z")
    mutation = decode(request("SetOutboundPolicy", outbound_policy=given))
    assert mutation.options.etag == ""
    assert mutation.resource == OutboundPolicy(POLICY, OutboundMode.ALLOW_ANY)


# Names: parent and id, or the resource's own


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        (policy(name=POLICY), {"parent": None}),
        (policy(name=POLICY), {"parent": MESH}),
        (policy(name=POLICY), {"parent": MESH, "outbound_policy_id": "default"}),
        (policy(), {"parent": MESH, "outbound_policy_id": "default"}),
        (policy(), {"parent": MESH}),
    ],
    ids=["own name", "and parent", "and id", "parent and id", "parent alone"],
)
def test_a_name_may_come_from_either_place(given: object, fields: dict[str, Any]) -> None:
    """If both are given they must agree; for the whole mesh the ID is `default`."""
    assert decode(request("SetOutboundPolicy", outbound_policy=given, **fields)).name == POLICY


@pytest.mark.parametrize(
    ("given", "begin"),
    [
        (policy(scope={"namespace": "prod"}), "prod-"),
        (policy(scope={"namespace": "default"}), "default-"),
        (policy(scope={"namespace": "n" * 63}), "n" * 54 + "-"),
        (policy(scope={"namespace": "prod", "matchLabels": {"a": "b"}}), "prod-"),
        (policy(clusterSelector={"clusters": ["east"]}), "default-"),
        (policy(clusterSelector={"matchLabels": {"a": "b"}}), "default-"),
    ],
)
def test_an_id_is_made_of_where_the_policy_holds(given: object, begin: str) -> None:
    """Namespace and a digest; never the ID of the mesh's own policy, and never too long."""
    id_ = parse_name(decode(request("SetOutboundPolicy", outbound_policy=given)).name).id
    assert id_.startswith(begin)
    assert len(id_) == len(begin) + 8 <= 63


def test_the_same_place_makes_the_same_id_and_another_place_another() -> None:
    """Setting again replaces; the order of clusters and labels does not matter, nor does the mode."""

    def made(**fields: Any) -> str:
        found: str = decode(request("SetOutboundPolicy", outbound_policy=policy(**fields))).name
        return found

    assert made(clusterSelector={"clusters": ["a", "b"]}) == made(
        mode="REGISTRY_ONLY", clusterSelector={"clusters": ["b", "a"]}
    )
    places: list[dict[str, Any]] = [
        {},
        {"scope": {"namespace": "default"}},
        {"scope": {"namespace": "prod"}},
        {"scope": {"namespace": "prod", "matchLabels": {"a": "b"}}},
        {"scope": {"namespace": "prod", "matchLabels": {"a": "c"}}},
        {"clusterSelector": {"clusters": ["a"]}},
        {"clusterSelector": {"clusters": ["a", "b"]}},
        {"clusterSelector": {"matchLabels": {"a": "b"}}},
        {"scope": {"namespace": "prod"}, "clusterSelector": {"clusters": ["a"]}},
    ]
    assert len({made(**place) for place in places}) == len(places)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "default/serviceEntries/bank"),
        ({"parent": f"{MESH}/namespaces/prod"}, "prod/serviceEntries/bank"),
        ({"meta": "name: bank, namespace: shop"}, "shop/serviceEntries/bank"),
        ({"meta": "name: bank, namespace: prod", "parent": f"{MESH}/namespaces/prod"}, "prod/serviceEntries/bank"),
        ({"meta": "", "service_entry_id": "mine"}, "default/serviceEntries/mine"),
        ({"service_entry_id": "bank"}, "default/serviceEntries/bank"),
        ({"meta": "name: www.bank.example"}, "default/serviceEntries/www.bank.example"),
    ],
)
def test_yaml_names_itself_or_is_named(fields: dict[str, Any], name: str) -> None:
    """Namespace and ID of the request, else those of the YAML, else namespace `default`."""
    assert decode(yaml(**fields)).name == f"{MESH}/namespaces/{name}"


def test_yaml_takes_the_requests_cluster_selector() -> None:
    """Istio's YAML has no field for it."""
    found = decode(yaml(cluster_selector={"match_labels": {"env": "prod"}})).resource
    assert found.cluster_selector == ClusterSelector(match_labels={"env": "prod"})


# What is refused

Row = tuple[Any, str, str]
_OTHER = "meshes/other/outboundPolicies/default"
POLICIES: dict[str, Row] = {
    "nothing": (request("SetOutboundPolicy", outbound_policy=None), "outbound_policy.mode", "must be one of ALLOW_ANY"),
    "no mesh": (request("SetOutboundPolicy", parent=None), "parent", "must look like meshes/{mesh}"),
    "bad parent": (request("SetOutboundPolicy", parent="meshes/a/b"), "parent", "must look like"),
    "bad id": (request("SetOutboundPolicy", outbound_policy_id="A b"), "outbound_policy_id", "must be 1 to 63"),
    "long id": (request("SetOutboundPolicy", outbound_policy_id="a" * 64), "outbound_policy_id", "must be 1 to 63"),
    "bad own name": (
        request("SetOutboundPolicy", outbound_policy=policy(name="x")),
        "outbound_policy.name",
        "must look like meshes/{mesh}/outboundPolicies/{id}",
    ),
    "other mesh": (request("SetOutboundPolicy", outbound_policy=policy(name=_OTHER)), "parent", "is 'meshes/default'"),
    "other id": (
        request("SetOutboundPolicy", outbound_policy=policy(name=POLICY), outbound_policy_id="x"),
        "outbound_policy_id",
        f"is 'x', but outbound_policy.name is {POLICY}",
    ),
    "no mode": (
        request("SetOutboundPolicy", outbound_policy=policy(mode=0)),
        "outbound_policy.mode",
        "must be one of ALLOW_ANY, REGISTRY_ONLY",
    ),
    "unknown mode": (
        request("SetOutboundPolicy", outbound_policy=policy(mode=77)),
        "outbound_policy.mode",
        "77 is unknown; must be one of",
    ),
    "bad namespace": (
        request("SetOutboundPolicy", outbound_policy=policy(scope={"namespace": "Bad NS"})),
        "outbound_policy.scope.namespace",
        "must be a namespace",
    ),
    "labels of the mesh": (
        request("SetOutboundPolicy", outbound_policy=policy(scope={"matchLabels": {"a": "b"}})),
        "outbound_policy.scope.match_labels",
        "requires a namespace",
    ),
    "both selectors": (
        request(
            "SetOutboundPolicy",
            outbound_policy=policy(clusterSelector={"clusters": ["a"], "matchLabels": {"a": "b"}}),
        ),
        "outbound_policy.cluster_selector",
        "may be set",
    ),
}
ENTRIES: dict[str, Row] = {
    "nothing": (
        request("UpsertServiceEntry", service_entry=None),
        "service_entry",
        "must be set, or istio_yaml instead",
    ),
    "no parent": (request("UpsertServiceEntry", parent=None), "parent", "must look like meshes/{mesh}"),
    "all namespaces": (request("UpsertServiceEntry", parent=f"{MESH}/namespaces/-"), "parent", "namespace '-' must"),
    "bad mesh": (request("UpsertServiceEntry", parent="meshes/A/namespaces/a"), "parent", "mesh 'A' must be"),
    "no id": (request("UpsertServiceEntry", service_entry_id=None), "service_entry_id", "id '' must be"),
    "bad id": (request("UpsertServiceEntry", service_entry_id="a_b"), "service_entry_id", "id 'a_b' must be"),
    "bad own name": (
        request("UpsertServiceEntry", service_entry=entry(name="meshes/default/serviceEntries/x")),
        "service_entry.name",
        "must look like meshes/{mesh}/namespaces/{namespace}/serviceEntries/{id}",
    ),
    "other namespace": (
        request("UpsertServiceEntry", service_entry=entry(name=ENTRY), parent=f"{MESH}/namespaces/shop"),
        "parent",
        f"is 'meshes/default/namespaces/shop', but service_entry.name is {ENTRY}",
    ),
    "other id": (
        request("UpsertServiceEntry", service_entry=entry(name=ENTRY), service_entry_id="x"),
        "service_entry_id",
        "is 'x', but service_entry.name is",
    ),
    "selector with fields": (
        request("UpsertServiceEntry", cluster_selector={"clusters": ["a"]}),
        "cluster_selector",
        "set service_entry.cluster_selector",
    ),
    "UDP": (
        request("UpsertServiceEntry", service_entry=entry(ports=[{"number": 80, "protocol": "UDP"}])),
        "service_entry.ports[0].protocol",
        "sidecars don't handle UDP",
    ),
    "unknown protocol": (
        request("UpsertServiceEntry", service_entry=entry(ports=[{"number": 80, "protocol": 99}])),
        "service_entry.ports[0].protocol",
        "99 is unknown",
    ),
    "unknown resolution": (
        request("UpsertServiceEntry", service_entry=entry(resolution=-1)),
        "service_entry.resolution",
        "-1 is unknown; must be one of NONE",
    ),
    "unknown location": (
        request("UpsertServiceEntry", service_entry=entry(location=9)),
        "service_entry.location",
        "9 is unknown; must be one of MESH_EXTERNAL",
    ),
    "bad host": (
        request("UpsertServiceEntry", service_entry=entry(hosts=["a b"])),
        "service_entry.hosts[0]",
        "must be a DNS name",
    ),
    "port 0": (
        request("UpsertServiceEntry", service_entry=entry(ports=[{"number": 0, "protocol": "TCP"}])),
        "service_entry.ports[0].number",
        "0 must be between 1 and 65535",
    ),
}
YAMLS: dict[str, Row] = {
    "broken": (yaml(istio_yaml="a: ["), "istio_yaml", "line 2, column 1"),
    "empty": (yaml(istio_yaml=" "), "istio_yaml", "must be an object"),
    "flat": (yaml(istio_yaml="kind: ServiceEntry\nmetadata:\nname: x\n"), "istio_yaml", "the indentation is missing"),
    "other kind": (yaml(istio_yaml="kind: Pod"), "istio_yaml.kind", "must be ServiceEntry, not Pod"),
    "unknown field": (yaml(spec=SPEC + ", host: a"), "istio_yaml.spec.host", "not a supported field"),
    "no mesh": (yaml(parent=None), "parent", "must look like meshes/{mesh}"),
    "no name": (yaml(""), "istio_yaml.metadata.name", "id '' must be"),
    "bad name": (yaml("name: A"), "istio_yaml.metadata.name", "id 'A' must be"),
    "bad id": (yaml("", service_entry_id="A"), "service_entry_id", "id 'A' must be"),
    "bad namespace": (yaml("name: a, namespace: B"), "istio_yaml.metadata.namespace", "namespace 'B' must be"),
    "other name": (yaml(service_entry_id="x"), "istio_yaml.metadata.name", "is bank, but service_entry_id is x"),
    "other namespace": (
        yaml("name: a, namespace: b", parent=f"{MESH}/namespaces/c"),
        "istio_yaml.metadata.namespace",
        "is b, but parent has c",
    ),
    "bad host": (yaml(spec=SPEC.replace("a.ex", "a_ex")), "istio_yaml.spec.hosts[0]", "must be a DNS name"),
    "bad target port": (
        yaml(spec=SPEC.replace("HTTP}", "HTTP, targetPort: 70000}")),
        "istio_yaml.spec.ports[0].targetPort",
        "70000 must be",
    ),
    "bad export": (yaml(spec=SPEC + ", exportTo: ['A']"), "istio_yaml.spec.exportTo[0]", "must be a namespace"),
    "bad selector": (
        yaml(cluster_selector={"clusters": ["A"]}),
        "cluster_selector.clusters[0]",
        "must be a cluster id",
    ),
    "bad option": (yaml(etag="a b"), "etag", "is not a valid etag"),
}
CLUSTERS: dict[str, Row] = {
    "no target": (
        request("RegisterCluster", cluster=cluster_pb2.Cluster()),
        "cluster.target",
        "must be set: one of local",
    ),
    "nothing": (request("RegisterCluster", cluster=None), "cluster.target", "must be set"),
    "no id": (request("RegisterCluster", cluster_id=None), "cluster_id", "id '' must be 1 to 63"),
    "id with a dot": (request("RegisterCluster", cluster_id="a.b"), "cluster_id", "id 'a.b' must be 1 to 63"),
    "bad label": (
        request("RegisterCluster", cluster=ParseDict({"local": {}, "labels": {"a b": "c"}}, cluster_pb2.Cluster())),
        'cluster.labels["a b"]',
        "label key",
    ),
    "other id": (
        request(
            "RegisterCluster",
            cluster=ParseDict({"local": {}, "name": f"{MESH}/clusters/west"}, cluster_pb2.Cluster()),
        ),
        "cluster_id",
        "is 'east', but cluster.name is",
    ),
}


@pytest.mark.parametrize(
    ("message", "field", "said"),
    [
        pytest.param(*row, id=f"{what}: {name}")
        for what, rows in {"policy": POLICIES, "entry": ENTRIES, "YAML": YAMLS, "cluster": CLUSTERS}.items()
        for name, row in rows.items()
    ],
)
def test_problems_have_their_place(message: Any, field: str, said: str) -> None:
    """Exactly one problem, with the path of the request's field or of the YAML."""
    found = refused(message)
    assert [where for where, _ in found] == [field]
    assert said in found[0][1]


def test_broken_yaml_has_a_reason_of_its_own() -> None:
    """So that a client can distinguish it from an invalid field."""
    with pytest.raises(InvalidArgument) as caught:
        decode(yaml(istio_yaml="a: ["))
    assert caught.value.reason == "INVALID_YAML"


def test_all_problems_are_reported_at_once() -> None:
    """Those of names, enums, fields and options."""
    message = request(
        "UpsertServiceEntry",
        parent="x",
        etag="a b",
        service_entry=entry(hosts=["a b"], ports=[{"number": 80, "protocol": 98}, {"number": 81, "protocol": 99}]),
    )
    assert [where for where, _ in refused(message)] == [
        "parent",
        "service_entry.ports[0].protocol",
        "service_entry.ports[1].protocol",
        "service_entry.hosts[0]",
        "etag",
    ]
