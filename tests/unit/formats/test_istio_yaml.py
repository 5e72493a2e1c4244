"""Istio's ServiceEntry in YAML: the source document's is accepted unchanged, and no field is silently dropped."""

import pytest

from egress_server.domain.model.resources import Endpoint, Location, Protocol, Resolution, ServiceEntry, ServicePort
from egress_server.domain.validate import Problems
from egress_server.formats.service_entry import ParsedServiceEntry, parse_service_entry, yaml_path
from tests.support.paths import ROOT
from tests.support.violations import violations_of

EXAMPLES = ROOT / "examples"
HEAD = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: x}\n"
WHOLE = """
apiVersion: networking.istio.io/v1beta1
kind: ServiceEntry
metadata:
  name: bank
  namespace: prod
  labels: {istio.io/use-waypoint: egress, app.kubernetes.io/managed-by: Helm}
  annotations:
    networking.istio.io/traffic-distribution: PreferClose
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    egress.mesh/resource: meshes/default/namespaces/prod/serviceEntries/bank
  uid: 0b5c
  resourceVersion: "17"
  creationTimestamp: 2026-01-01T00:00:00Z
  managedFields: []
spec:
  hosts: [WWW.Bank.example, api.bank.example.]
  addresses: [203.0.113.0/24, 2001:DB8::1]
  ports:
  - {number: 80, name: web, protocol: http, targetPort: 8080}
  - {number: 443, protocol: TLS}
  - {number: 8443, protocol: grpc-web}
  - {number: 3306, protocol: MySQL}
  - {number: 9000}
  resolution: static
  location: MESH_INTERNAL
  endpoints:
  - address: 2001:DB8::7
    ports: {web: 8080}
    labels: {version: "1"}
    locality: eu/west
    weight: 3
    network: east
  exportTo: [., shop]
  subjectAltNames: [bank.example]
status: {addresses: [{value: 240.240.0.1}]}
"""


def parse(text: str) -> tuple[ParsedServiceEntry | None, list[tuple[str, str]]]:
    """What was read, and the problems."""
    problems = Problems()
    parsed = parse_service_entry(text, problems)
    return parsed, violations_of(problems.raise_if_any)


def test_the_documents_file_is_read() -> None:
    """The example of the source document, unchanged."""
    parsed, problems = parse((EXAMPLES / "aliyun-serviceentry.yaml").read_text())
    assert problems == []
    assert parsed == ParsedServiceEntry(
        "aliyun-com-ext",
        "",
        ServiceEntry(
            name="",
            hosts=("www.aliyun.com",),
            ports=(ServicePort(80, Protocol.HTTP, "http"), ServicePort(443, Protocol.HTTPS, "https")),
            resolution=Resolution.DNS,
            location=Location.MESH_EXTERNAL,
        ),
    )


def test_every_field_is_read() -> None:
    """Names and addresses in lowercase, default names of ports; fields that Kubernetes fills in are ignored."""
    parsed, problems = parse(WHOLE)
    assert problems == []
    assert parsed == ParsedServiceEntry(
        "bank",
        "prod",
        ServiceEntry(
            name="",
            hosts=("www.bank.example", "api.bank.example"),
            ports=(
                ServicePort(80, Protocol.HTTP, "web", 8080),
                ServicePort(443, Protocol.TLS, "tls-443"),
                ServicePort(8443, Protocol.GRPC_WEB, "grpc-web-8443"),
                ServicePort(3306, Protocol.MYSQL, "mysql-3306"),
                ServicePort(9000, Protocol.DETECTED, "port-9000"),
            ),
            resolution=Resolution.STATIC,
            location=Location.MESH_INTERNAL,
            endpoints=(Endpoint("2001:db8::7", {"web": 8080}, {"version": "1"}, "eu/west", 3, "east"),),
            addresses=("203.0.113.0/24", "2001:db8::1"),
            export_to=(".", "shop"),
            subject_alt_names=("bank.example",),
            labels={"istio.io/use-waypoint": "egress"},
            annotations={"networking.istio.io/traffic-distribution": "PreferClose"},
        ),
    )


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("a: b", "kind", "must be ServiceEntry"),
        (
            "kind: VirtualService\napiVersion: networking.istio.io/v1",
            "kind",
            "must be ServiceEntry, not VirtualService; inject its faults by egressctl fault inject -f",
        ),
        ("kind: ServiceEntry", "apiVersion", "must be networking.istio.io/v1, v1beta1 or v1alpha3, not ''"),
        ("kind: ServiceEntry\napiVersion: v1", "apiVersion", "not 'v1'"),
        (HEAD + "spec: text", "spec", "must be a mapping"),
        (HEAD + "spec: [a]", "spec", "must be a mapping"),
        (HEAD.replace("{name: x}", "x"), "metadata", "must be a mapping"),
        (HEAD.replace("{name: x}", "{name: 5}"), "metadata.name", "must be a string; put it in quotes"),
        (HEAD.replace("{name: x}", "{name: [a]}"), "metadata.name", "must be a string"),
        (HEAD + "more: a", "more", "is not a supported field; remove it"),
        (HEAD + "spec: {host: a}", "spec.host", "is not a supported field"),
        (HEAD + "spec: {workloadSelector: {}}", "spec.workloadSelector", "must have labels"),
        (HEAD + "spec: {workloadSelector: {labels: {a: b}, x: 1}}", "spec.workloadSelector.x", "not a supported field"),
        (HEAD.replace("x}", "x, labels: {a: 1}}"), 'metadata.labels["a"]', "must be a string; put it in quotes"),
        (HEAD + "spec: {<<: {hosts: [a]}}", "spec.<<", "not a supported field"),
        (HEAD + "spec: {hosts: a}", "spec.hosts", "must be a list"),
        (HEAD + "spec: {hosts: {a: b}}", "spec.hosts", "must be a list"),
        (HEAD + "spec: {hosts: [a, 1]}", "spec.hosts[1]", "must be a string; put it in quotes"),
        (HEAD + "spec: {hosts: [yes]}", "spec.hosts[0]", "must be a string; put it in quotes"),
        (HEAD + "spec: {hosts: [on]}", "spec.hosts[0]", "must be a string; put it in quotes"),
        (HEAD + "spec: {hosts: [[a]]}", "spec.hosts[0]", "must be a string"),
        (HEAD + "spec: {ports: {number: 80}}", "spec.ports", "must be a list"),
        (HEAD + "spec: {ports: [{number: '80', protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 80.0, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: yes, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 080, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 0100, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 0x50, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 2147483648, protocol: TCP}]}", "spec.ports[0].number", "an integer"),
        (HEAD + f"spec: {{ports: [{{number: {'9' * 5000}, protocol: TCP}}]}}", "spec.ports[0].number", "an integer"),
        (HEAD + "spec: {ports: [{number: 80, protocol: X}]}", "spec.ports[0].protocol", "'X' must be one of HTTP"),
        (HEAD + "spec: {ports: [{number: 80, protocol: TCP, x: 1}]}", "spec.ports[0].x", "not a supported field"),
        (HEAD + "spec: {resolution: LOCAL}", "spec.resolution", "'LOCAL' must be one of NONE, STATIC"),
        (HEAD + "spec: {location: 1}", "spec.location", "must be a string"),
        (HEAD + "spec: {endpoints: [{address: a, x: n}]}", "spec.endpoints[0].x", "not a supported field"),
        (HEAD + "spec: {endpoints: [{labels: {a: true}}]}", 'spec.endpoints[0].labels["a"]', "must be a string"),
        (HEAD + "spec: {endpoints: [{labels: [a]}]}", "spec.endpoints[0].labels", "must be a mapping"),
        (HEAD + "spec: {endpoints: [{ports: {a: b}}]}", 'spec.endpoints[0].ports["a"]', "an integer"),
        (HEAD + "spec: {endpoints: [{weight: '1'}]}", "spec.endpoints[0].weight", "an integer"),
        (HEAD + "spec: {exportTo: '*'}", "spec.exportTo", "must be a list"),
        (HEAD + "spec: {addresses: [1.5]}", "spec.addresses[0]", "must be a string; put it in quotes"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(text: str, field: str, said: str) -> None:
    """There is exactly one problem, with its path in the YAML."""
    _, problems = parse(text)
    assert [where for where, _ in problems] == [field]
    assert said in problems[0][1]


def test_elements_that_are_no_mappings() -> None:
    """An element of the wrong type is reported, along with its missing fields."""
    _, problems = parse(HEAD + "spec: {ports: [80]}")
    assert ("spec.ports[0]", "must be a mapping") in problems


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_every_served_version_is_taken(version: str) -> None:
    """They mean the same."""
    _, problems = parse(HEAD.replace("/v1", f"/{version}"))
    assert problems == []


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("hosts[0]", "spec.hosts[0]"),
        ("ports[1].target_port", "spec.ports[1].targetPort"),
        ("export_to", "spec.exportTo"),
        ('workload_selector["a"]', 'spec.workloadSelector.labels["a"]'),
        ('labels["export_to"]', 'metadata.labels["export_to"]'),
        ('annotations["a/b"]', 'metadata.annotations["a/b"]'),
        ('endpoints[0].labels["target_port"]', 'spec.endpoints[0].labels["target_port"]'),
    ],
)
def test_fields_have_the_yamls_names(field: str, path: str) -> None:
    """Proto names become Istio's; keys of maps stay."""
    assert yaml_path(field) == path
