"""Validation of service entries: one row per rule."""

from typing import Any

import pytest

from egress_server.domain.model.resources import Endpoint, Location, Protocol, Resolution, ServicePort, TrafficSettings
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.validate import Problems, check_resource
from tests.support.meshes import entry, ports
from tests.support.violations import violations_of

DNS, STATIC, NONE = Resolution.DNS, Resolution.STATIC, Resolution.NONE
ROUND_ROBIN, DYNAMIC = Resolution.DNS_ROUND_ROBIN, Resolution.DYNAMIC_DNS


def at(address: str, **fields: Any) -> dict[str, Any]:
    """Fields of an entry with one endpoint and resolution STATIC."""
    return {"resolution": STATIC, "endpoints": (Endpoint(address, **fields),)}


def port(number: int, name: str = "p", protocol: Protocol = Protocol.HTTP, target_port: int = 0) -> ServicePort:
    """A port."""
    return ServicePort(number, protocol, name, target_port)


def problems_of(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Field and description of all problems of an entry in namespace prod with `fields`."""
    problems = Problems()
    check_resource(entry(namespace="prod", **fields), problems)
    return violations_of(problems.raise_if_any)


VALID: dict[str, dict[str, Any]] = {
    "plain": {},
    "short name": {"hosts": ("intranet",)},
    "wildcard passed on": {"hosts": ("*.example.com",), "resolution": NONE},
    "wildcard by dynamic DNS": {
        "hosts": ("*.example.com",),
        "resolution": DYNAMIC,
        "ports": ports("80:HTTP", "81:HTTP2", "82:GRPC", "443:TLS"),
    },
    "inside the mesh by dynamic DNS": {
        "hosts": ("*.a.b",),
        "resolution": DYNAMIC,
        "ports": ports("443:TLS"),
        "location": Location.MESH_INTERNAL,
    },
    "wildcard with endpoints": {"hosts": ("*.a.b",), "resolution": DNS, "endpoints": (Endpoint("origin.a.b"),)},
    "longest label": {"hosts": (f"{'a' * 63}.example.com",)},
    "longest host": {"hosts": (".".join(["a" * 49] * 5) + ".com",)},
    "international": {"hosts": ("xn--bcher-kva.example",)},
    "256 hosts": {"hosts": tuple(f"h{i}.example.com" for i in range(256))},
    "64 ports": {"ports": tuple(port(i, f"p-{i}") for i in range(1, 65))},
    "outermost ports": {"ports": (port(1, "a"), port(65535, "b", target_port=65535))},
    "every protocol": {
        "ports": tuple(port(i, f"p{i}", p) for i, p in enumerate(Protocol, 1) if p is not Protocol.UDP),
        "resolution": DNS,
    },
    "one host by TCP": {"ports": ports("3306:TCP"), "resolution": DNS},
    "hosts by TCP, passed on": {"hosts": ("a.b", "c.d"), "ports": ports("3306:TCP"), "resolution": NONE},
    "endpoint by address": at("203.0.113.7"),
    "endpoint by IPv6": at("2001:db8::7"),
    "private endpoint": at("10.1.2.3"),
    "endpoint by name": {"resolution": DNS, "endpoints": (Endpoint("origin.example.com"),)},
    "whole endpoint": at(
        "203.0.113.7", ports={"http-80": 8080}, labels={"app": "x"}, locality="eu/west/a", weight=2**31 - 1
    ),
    "one endpoint by round robin": {"resolution": ROUND_ROBIN, "endpoints": (Endpoint("a.b"),)},
    "harm that is for lint to find": at("127.0.0.1"),
    "addresses": {"addresses": ("203.0.113.0/24", "198.51.100.1", "2001:db8::/32", "2001:db9::1", "10.0.0.0/8")},
    "single addresses by DNS": {"resolution": DNS, "addresses": ("198.51.100.1",)},
    "for all": {"export_to": ("*",)},
    "for its own": {"export_to": (".",)},
    "for none": {"export_to": ("~",)},
    "static to nowhere": {"resolution": STATIC},
    "on workloads of the mesh": {"resolution": STATIC, "workload_selector": {"app": "x"}},
    "on workloads of the mesh by DNS": {"resolution": DNS, "workload_selector": {"app": "x"}},
    "names in the certificate": {"subject_alt_names": ("a.b", "*.c.d", "spiffe://cluster.local/ns/a/sa/b")},
    "waypoint": {"labels": {"istio.io/use-waypoint": "egress"}, "annotations": {"example.com/note": "for\nall"}},
    "no waypoint by dynamic DNS": {
        "hosts": ("*.a.b",),
        "resolution": DYNAMIC,
        "ports": ports("443:TLS"),
        "location": Location.MESH_INTERNAL,
        "labels": {"istio.io/use-waypoint": "none"},
    },
    "network": at("203.0.113.7", network="east"),
    "name in upper case": {"ports": (port(80, "Http"),)},
    "for some": {"export_to": (".", "shop", "bank")},
    "some clusters": {"cluster_selector": ClusterSelector(clusters=("east", "west-1"))},
    "clusters by label": {"cluster_selector": ClusterSelector(match_labels={"example.com/env": "prod"})},
}


@pytest.mark.parametrize("fields", VALID.values(), ids=VALID)
def test_what_istio_takes_is_taken(fields: dict[str, Any]) -> None:
    """What Istio accepts has no problems."""
    assert problems_of(fields) == []


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "no host": ({"hosts": ()}, "hosts", "at least 1 host is required"),
    "257 hosts": ({"hosts": tuple(f"h{i}.a" for i in range(257))}, "hosts", "has 257; at most 256"),
    "host twice": ({"hosts": ("a.b", "c.d", "a.b")}, "hosts[2]", "already listed at [0]"),
    "empty host": ({"hosts": ("",)}, "hosts[0]", "must be a DNS name"),
    "any host": ({"hosts": ("*",)}, "hosts[0]", "must be a DNS name"),
    "half a wildcard": ({"hosts": ("*a.example.com",)}, "hosts[0]", "the wildcard must be the whole first label"),
    "wildcard inside": ({"hosts": ("a.*.com",)}, "hosts[0]", "the wildcard must be the whole first label"),
    "upper case": ({"hosts": ("A.b",)}, "hosts[0]", "must be a DNS name"),
    "underscore": ({"hosts": ("a_b.example.com",)}, "hosts[0]", "must be a DNS name"),
    "final dot": ({"hosts": ("example.com.",)}, "hosts[0]", "must be a DNS name"),
    "two dots": ({"hosts": ("a..b",)}, "hosts[0]", "must be a DNS name"),
    "hyphen first": ({"hosts": ("-a.b",)}, "hosts[0]", "must be a DNS name"),
    "line end": ({"hosts": ("a.b\n",)}, "hosts[0]", "must be a DNS name"),
    "URL": ({"hosts": ("https://a.b/",)}, "hosts[0]", "must be a DNS name"),
    "host and port": ({"hosts": ("a.b:80",)}, "hosts[0]", "must be a DNS name"),
    "label of 64": ({"hosts": (f"{'a' * 64}.b",)}, "hosts[0]", "must be a DNS name"),
    "254 in all": ({"hosts": (".".join(["a" * 49] * 5) + ".coms",)}, "hosts[0]", "must be a DNS name"),
    "umlaut": ({"hosts": ("bücher.example",)}, "hosts[0]", "xn-- form"),
    "address as host": ({"hosts": ("203.0.113.7",)}, "hosts[0]", "must be a DNS name; list IP addresses"),
    "localhost": ({"hosts": ("localhost",)}, "hosts[0]", "the workload itself"),
    "below localhost": ({"hosts": ("a.localhost",)}, "hosts[0]", "the workload itself"),
    "no port": ({"ports": ()}, "ports", "at least 1 port is required"),
    "65 ports": ({"ports": tuple(port(i, f"p{i}") for i in range(1, 66))}, "ports", "at most 64"),
    "port 0": ({"ports": (port(0),)}, "ports[0].number", "0 must be between 1 and 65535"),
    "port 65536": ({"ports": (port(65536),)}, "ports[0].number", "65536 must be between 1 and 65535"),
    "negative port": ({"ports": (port(-1),)}, "ports[0].number", "-1 must be"),
    "number twice": ({"ports": (port(80, "a"), port(80, "b"))}, "ports[1].number", "already used by ports[0]"),
    "name twice": ({"ports": (port(80), port(81))}, "ports[1].name", "p is already used by ports[0]"),
    "bad name": ({"ports": (port(80, "a.b"),)}, "ports[0].name", "letters, digits or '-'"),
    "name of 64": ({"ports": (port(80, "a" * 64),)}, "ports[0].name", "1 to 63"),
    "target port": ({"ports": (port(80, target_port=65536),)}, "ports[0].target_port", "65536 must be"),
    "hosts by TCP": (
        {"hosts": ("a.b", "c.d"), "ports": ports("80:HTTP", "3306:TCP"), "resolution": DNS},
        "ports[1].protocol",
        "TCP carries no host name",
    ),
    "hosts by MONGO": (
        {"hosts": ("a.b", "c.d"), "ports": ports("27017:MONGO"), "resolution": DNS},
        "ports[0].protocol",
        "MONGO carries no host name",
    ),
    "endpoints passed on": (
        {"resolution": NONE, "endpoints": (Endpoint("203.0.113.7"),)},
        "endpoints",
        "must be empty with resolution NONE",
    ),
    "one host by dynamic DNS": (
        {"hosts": ("*.a.b", "a.b"), "resolution": DYNAMIC},
        "hosts[1]",
        "must be a wildcard with resolution DYNAMIC_DNS",
    ),
    "endpoints by dynamic DNS": (
        {"hosts": ("*.a.b",), "resolution": DYNAMIC, "endpoints": (Endpoint("203.0.113.7"),)},
        "endpoints",
        "must be empty with resolution DYNAMIC_DNS",
    ),
    "addresses by dynamic DNS": (
        {"hosts": ("*.a.b",), "resolution": DYNAMIC, "addresses": ("203.0.113.7",)},
        "addresses",
        "must be empty with resolution DYNAMIC_DNS",
    ),
    "endpoints by selector too": (
        at("203.0.113.7") | {"workload_selector": {"app": "x"}},
        "workload_selector",
        "can't be combined with endpoints",
    ),
    "selected, passed on": (
        {"resolution": NONE, "workload_selector": {"app": "x"}},
        "workload_selector",
        "has no effect with resolution NONE",
    ),
    "selected by dynamic DNS": (
        {"hosts": ("*.a.b",), "resolution": DYNAMIC, "workload_selector": {"app": "x"}},
        "workload_selector",
        "has no effect with resolution DYNAMIC_DNS",
    ),
    "selected by pattern": (
        {"resolution": STATIC, "workload_selector": {"app": "*"}},
        'workload_selector["app"]',
        "the value must be",
    ),
    "certificate name twice": ({"subject_alt_names": ("a", "a")}, "subject_alt_names[1]", "already listed"),
    "no certificate name": ({"subject_alt_names": ("",)}, "subject_alt_names[0]", "must be a name in the service's"),
    "65 certificate names": ({"subject_alt_names": tuple(map(str, range(65)))}, "subject_alt_names", "at most 64"),
    "our label": (
        {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
        'labels["app.kubernetes.io/managed-by"]',
        "is set by mesh-egress",
    ),
    "revision": ({"labels": {"istio.io/rev": "canary"}}, 'labels["istio.io/rev"]', "hide the entry from all other"),
    "bad label": ({"labels": {"a b": "c"}}, 'labels["a b"]', "label key"),
    "waypoint inside the mesh by dynamic DNS": (
        {
            "hosts": ("*.a.b",),
            "resolution": DYNAMIC,
            "ports": ports("443:TLS"),
            "location": Location.MESH_INTERNAL,
            "labels": {"istio.io/use-waypoint": "egress"},
        },
        "location",
        "must be MESH_EXTERNAL with resolution DYNAMIC_DNS and a waypoint",
    ),
    "our annotation": (
        {"annotations": {"egress.mesh/resource": "x"}},
        'annotations["egress.mesh/resource"]',
        "is set by mesh-egress",
    ),
    "bad annotation": ({"annotations": {"a b": "c"}}, 'annotations["a b"]', "annotation key"),
    "long annotation": ({"annotations": {"a": "x" * 4097}}, 'annotations["a"]', "has 4097 characters; at most 4096"),
    "65 annotations": ({"annotations": dict.fromkeys(map(str, range(65)), "")}, "annotations", "has 65 annotations"),
    "round robin of two": (
        {"resolution": ROUND_ROBIN, "endpoints": (Endpoint("a.b"), Endpoint("c.d"))},
        "endpoints",
        "at most one endpoint",
    ),
    "1001 endpoints": (
        {"resolution": STATIC, "endpoints": (Endpoint("203.0.113.7"),) * 1001},
        "endpoints",
        "has 1001; at most 1000",
    ),
    "static by name": (at("origin.example.com"), "endpoints[0].address", "must be an IP address with resolution"),
    "no endpoint address": (
        {"resolution": DNS, "endpoints": (Endpoint(""),)},
        "endpoints[0].address",
        "an IP address or a DNS name",
    ),
    "endpoint by wildcard": (
        {"resolution": DNS, "endpoints": (Endpoint("*.a.b"),)},
        "endpoints[0].address",
        "an IP address or a DNS name",
    ),
    "endpoint by socket": (at("unix:///run/x"), "endpoints[0].address", "a socket of another pod"),
    "endpoint of an interface": (at("2001:db8::7%eth0"), "endpoints[0].address", "must be an IP address"),
    "unknown endpoint port": (at("203.0.113.7", ports={"x": 80}), 'endpoints[0].ports["x"]', "is not the name"),
    "endpoint port 0": (at("203.0.113.7", ports={"http-80": 0}), 'endpoints[0].ports["http-80"]', "0 must be"),
    "endpoint label": (at("203.0.113.7", labels={"a b": "c"}), 'endpoints[0].labels["a b"]', "label key"),
    "endpoint weight": (at("203.0.113.7", weight=-1), "endpoints[0].weight", "must not be negative"),
    "endpoint locality": (at("203.0.113.7", locality="a/b/c/d"), "endpoints[0].locality", "region/zone/subzone"),
    "address twice": ({"addresses": ("10.0.0.1", "10.0.0.1")}, "addresses[1]", "already listed at [0]"),
    "257 addresses": ({"addresses": tuple(f"10.{i % 256}.{i // 256}.1" for i in range(257))}, "addresses", "at most"),
    "no address": ({"addresses": ("x",)}, "addresses[0]", "must be an IP address, or a CIDR range"),
    "host bits": ({"addresses": ("10.0.0.1/8",)}, "addresses[0]", "must be written 10.0.0.0/8"),
    "netmask": ({"addresses": ("10.0.0.0/255.0.0.0",)}, "addresses[0]", "must be an IP address, or a CIDR"),
    "leading zeros": ({"addresses": ("10.0.0.01",)}, "addresses[0]", "must be an IP address"),
    "interface": ({"addresses": ("2001:db8::1%eth0",)}, "addresses[0]", "must be an IP address"),
    "everything": ({"addresses": ("0.0.0.0/0",)}, "addresses[0]", "matches every address"),
    "everything of IPv6": ({"addresses": ("::/0",)}, "addresses[0]", "matches every address"),
    "range by DNS": ({"resolution": DNS, "addresses": ("10.0.0.0/8",)}, "addresses[0]", "a range requires resolution"),
    "export twice": ({"export_to": ("a", "a")}, "export_to[1]", "already listed"),
    "invalid export": ({"export_to": ("A",)}, "export_to[0]", "must be a namespace"),
    "export to none and one": ({"export_to": ("~", "a")}, "export_to", "'~' means no namespace"),
    "settings for none": (
        {"export_to": ("~",), "traffic": TrafficSettings(timeout=1.0)},
        "export_to",
        "its traffic settings would have no effect",
    ),
    "network of two": (at("203.0.113.7", network="a b"), "endpoints[0].network", "must be the name of a network"),
    "export to all and one": ({"export_to": ("*", "a")}, "export_to", "must be the only one"),
    "export to its own twice": ({"export_to": (".", "prod")}, "export_to", "'.' means prod"),
    "both selectors": (
        {"cluster_selector": ClusterSelector(("east",), {"env": "prod"})},
        "cluster_selector",
        "only one of clusters and match_labels",
    ),
    "bad cluster": (
        {"cluster_selector": ClusterSelector(("east", "We st"))},
        "cluster_selector.clusters[1]",
        "must be a cluster id",
    ),
}


@pytest.mark.parametrize(("fields", "field", "said"), INVALID.values(), ids=INVALID)
def test_what_istio_refuses_is_refused_with_its_place(fields: dict[str, Any], field: str, said: str) -> None:
    """There is exactly one problem, at the right field."""
    found = problems_of(fields)
    assert [where for where, _ in found] == [field]
    assert said in found[0][1]


def test_all_that_is_wrong_is_reported_at_once() -> None:
    """A caller can fix a request in one go."""
    found = problems_of({"hosts": ("*",), "ports": (port(0),), "addresses": ("x",), "export_to": ("A",)})
    assert [field for field, _ in found] == ["hosts[0]", "ports[0].number", "addresses[0]", "export_to[0]"]


def test_the_report_of_a_huge_entry_is_no_larger_than_its_limits() -> None:
    """Elements beyond a list's limit are not checked."""
    found = problems_of({"ports": (port(0),) * 10_000})
    assert len(found) < 200
