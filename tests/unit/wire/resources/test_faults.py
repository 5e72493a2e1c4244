"""InjectFault: fields and YAML become the same command; defaults, and problems with their paths."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import duration_pb2
from google.protobuf.json_format import ParseDict

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import fault_pb2
from egress_server.commands.mutate import Mutation
from egress_server.contract.faults import read_fault, write_fault
from egress_server.domain.model.changes import ChangeType, Versioned
from egress_server.domain.model.names import ResourceKind
from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, MatchKind
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.wire import METHODS
from egress_server.wire.grammar.names import host_id
from tests.support.paths import ROOT
from tests.support.violations import violations_of

MESH = "meshes/default"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
YAML = (ROOT / "examples/aliyun-virtualservice.yaml").read_text()
INJECT = METHODS["/egress.v1.EgressService/InjectFault"]
WHOLE = {
    "host": "bank.example.com",
    "delay": {"percent": 12.5, "fixedDelay": "1.5s"},
    "abort": {"percent": 1, "grpcStatus": "UNAVAILABLE"},
    "ports": [80, 8080],
    "matchHeaders": [{"name": "a"}, {"name": "b", "exact": "x"}, {"name": "c", "regex": ".*"}],
    "sourceLabels": {"app": "shop"},
    "sourceNamespace": "shop",
    "ttl": "30s",
    "clusterSelector": {"clusters": ["east"]},
}


def inject(**fields: Any) -> pb.InjectFaultRequest:
    """A request, with fields in JSON names."""
    return ParseDict({"parent": MESH, **fields}, pb.InjectFaultRequest())


def fault_of(**fields: Any) -> Fault:
    """The fault that a request sets."""
    mutation = INJECT.decode(inject(**fields))
    assert isinstance(mutation, Mutation)
    assert mutation.type is ChangeType.SET
    assert isinstance(mutation.resource, Fault)
    return mutation.resource


def refused(**fields: Any) -> list[tuple[str, str]]:
    """The problems of a request."""
    return violations_of(lambda: INJECT.decode(inject(**fields)))


def test_every_field_comes_and_goes() -> None:
    """What is set is stored, and what is stored is returned."""
    message = ParseDict(WHOLE, fault_pb2.Fault())
    fault = read_fault(message, "n")
    assert fault == Fault(
        "n",
        "bank.example.com",
        30.0,
        Delay(1.5, 12.5),
        Abort(0, "UNAVAILABLE", 1.0),
        (80, 8080),
        (HeaderMatch("a"), HeaderMatch("b", MatchKind.EXACT, "x"), HeaderMatch("c", MatchKind.REGEX, ".*")),
        {"app": "shop"},
        "shop",
        ClusterSelector(("east",)),
    )
    shown = write_fault(Versioned(fault, 7, NOW, NOW), "epoch")
    assert read_fault(shown, "n") == fault
    assert shown.revision == 7


def test_the_end_is_counted_from_the_last_change() -> None:
    """By the store's clock, whatever the creation time."""
    fault = Fault(f"{MESH}/namespaces/default/faults/f", "a.b", 90.0, Delay(1.0))
    shown = write_fault(Versioned(fault, 2, NOW - timedelta(days=1), NOW), "epoch")
    assert shown.expire_time.ToDatetime(UTC) == NOW + timedelta(seconds=90)
    cleared = write_fault(Versioned(fault, 3, NOW - timedelta(days=1), NOW, deleted=True), "epoch")
    assert cleared.expire_time.ToDatetime(UTC) == NOW


def test_defaults() -> None:
    """Always, for ten minutes, named after the host, in the namespace `default`."""
    fault = fault_of(fault={"host": "WWW.Bank.example", "delay": {"fixedDelay": "5s"}, "abort": {"httpStatus": 503}})
    assert fault.name == f"{MESH}/namespaces/default/faults/www-bank-example"
    assert fault.host == "www.bank.example"
    assert (fault.ttl, fault.delay, fault.abort) == (600.0, Delay(5.0, 100.0), Abort(503, "", 100.0))


@pytest.mark.parametrize(
    ("host", "id_"),
    [
        ("www.aliyun.com", "www-aliyun-com"),
        ("*.example.com", "wildcard-example-com"),
    ],
)
def test_an_id_is_made_of_the_host(host: str, id_: str) -> None:
    """The same host gives the same id, so that injecting again replaces the fault."""
    assert host_id(host) == id_


def test_a_long_host_gives_a_short_id() -> None:
    """Two hosts with the same beginning get different IDs."""
    one, other = (host_id(f"{end}.{'a' * 63}.example.com"[::-1].lower()) for end in ("x", "y"))
    assert max(len(one), len(other)) <= 63
    assert one != other


def test_the_documents_yaml_goes_in() -> None:
    """Named by its metadata; the request has what the YAML can't express."""
    fault = fault_of(istioYaml=YAML.replace("5s", "2s"), ttl="3s", clusterSelector={"clusters": ["east"]})
    assert fault.name == f"{MESH}/namespaces/default/faults/aliyun-com-ext"
    assert (fault.host, fault.ttl, fault.delay) == ("www.aliyun.com", 3.0, Delay(2.0, 100.0))
    assert fault.cluster_selector == ClusterSelector(("east",))
    assert fault_of(istioYaml=YAML).ttl == 600.0


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"parent": f"{MESH}/namespaces/prod"}, "namespaces/prod/faults/aliyun-com-ext"),
        ({"parent": f"{MESH}/namespaces/prod", "faultId": "aliyun-com-ext"}, "namespaces/prod/faults/aliyun-com-ext"),
        (
            {"istioYaml": YAML.replace("name: aliyun-com-ext", "namespace: shop")},
            "namespaces/shop/faults/www-aliyun-com",
        ),
        (
            {"istioYaml": YAML.replace("name: aliyun", "name: a.b.aliyun")},
            "namespaces/default/faults/a.b.aliyun-com-ext",
        ),
    ],
)
def test_names_from_yaml(fields: dict[str, Any], name: str) -> None:
    """As for service entries; without a name it is derived from the host."""
    assert fault_of(**{"istioYaml": YAML, **fields}).name == f"{MESH}/{name}"


BANK = {"host": "a.b", "delay": {"fixedDelay": "5s"}}


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({}, [("fault", "must be set, or istio_yaml instead")]),
        ({"fault": {}}, ["fault.host", "fault.delay"]),
        ({"fault": BANK, "ttl": "5s"}, [("ttl", "can only be used with istio_yaml; set fault.ttl instead")]),
        ({"fault": BANK, "clusterSelector": {}}, ["cluster_selector"]),
        ({"fault": {**BANK, "delay": {"fixedDelay": "5s", "percent": 0}}}, ["fault.delay.percent"]),
        ({"fault": {**BANK, "ttl": "3s"}}, ["fault.delay.fixed_delay"]),
        ({"fault": {**BANK, "ttl": "0s"}}, ["fault.ttl"]),
        ({"fault": {**BANK, "abort": {}}}, ["fault.abort"]),
        ({"fault": {**BANK, "abort": {"httpStatus": 0}}}, ["fault.abort"]),
        ({"fault": BANK, "faultId": "A"}, ["fault_id"]),
        ({"fault": BANK, "parent": "default"}, ["parent"]),
        ({"fault": {**BANK, "name": f"{MESH}/faults/x"}}, ["fault.name"]),
        ({"istioYaml": "hello"}, ["istio_yaml"]),
        ({"istioYaml": YAML.replace("    ", "").replace("  ", "")}, ["istio_yaml"]),
        ({"istioYaml": YAML, "ttl": "86401s"}, ["ttl"]),
        ({"istioYaml": YAML, "ttl": "3s"}, ["istio_yaml.spec.http[0].fault.delay.fixedDelay"]),
        ({"istioYaml": YAML, "clusterSelector": {"clusters": ["A"]}}, ["cluster_selector.clusters[0]"]),
        ({"istioYaml": YAML.replace("percent: 100", "percent: 0")}, ["istio_yaml.spec.http[0].fault.delay.percent"]),
        ({"istioYaml": YAML, "requestId": "a b"}, ["request_id"]),
        (
            {"istioYaml": YAML.replace("name: ali", "namespace: a\n  name: ali"), "parent": f"{MESH}/namespaces/b"},
            [("istio_yaml.metadata.namespace", "is a, but parent has b")],
        ),
    ],
)
def test_refused(fields: dict[str, Any], found: list[Any]) -> None:
    """All problems, with the paths that the caller used."""
    problems = refused(**fields)
    assert [field for field, _ in problems] == [wanted if isinstance(wanted, str) else wanted[0] for wanted in found]
    for problem, wanted in zip(problems, found, strict=True):
        assert isinstance(wanted, str) or problem == wanted


def test_faults_of_a_namespace_or_of_all() -> None:
    """By host, as documented."""
    method = METHODS["/egress.v1.EgressService/ListFaults"]
    query = method.decode(pb.ListFaultsRequest(parent=f"{MESH}/namespaces/-", filter='host = "a.b"'))
    assert (query.kind, query.namespace) == (ResourceKind.FAULT, None)  # type: ignore[attr-defined]
    assert violations_of(lambda: method.decode(pb.ListFaultsRequest(parent=MESH)))[0][0] == "parent"
    wrong = pb.ListFaultsRequest(parent=f"{MESH}/namespaces/prod", filter='ttl = "5"')
    assert violations_of(lambda: method.decode(wrong)) == [
        ("filter", "can't filter by 'ttl'; supported fields are name, host")
    ]


def test_clearing_deletes() -> None:
    """A fault can be ended early by a change like any other."""
    name = f"{MESH}/namespaces/prod/faults/x"
    mutation = METHODS["/egress.v1.EgressService/ClearFault"].decode(pb.ClearFaultRequest(name=name))
    assert isinstance(mutation, Mutation)
    assert (mutation.name, mutation.type, mutation.deletes) == (name, ChangeType.DELETE, True)


def test_a_duration_of_a_thousand_years_is_refused_not_stumbled_over() -> None:
    """A Duration can hold far more than is accepted."""
    request = pb.InjectFaultRequest(parent=MESH, istio_yaml=YAML, ttl=duration_pb2.Duration(seconds=2**62))
    assert violations_of(lambda: INJECT.decode(request))[0][0] == "ttl"
