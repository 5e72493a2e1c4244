"""How Get, List, Wait and Probe are decoded, and what each refuses."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from egress_server.commands.changes.history import ChangeRef, ListChanges, ListRollouts, WaitChange
from egress_server.commands.read import Get, ListOf
from egress_server.domain.model.names import ResourceKind, parse_name
from egress_server.domain.model.paging import Condition
from egress_server.domain.probe.evidence import Attempt, Destination
from tests.support.requests import CHANGE, CLUSTER, ENTRY, MESH, POLICY
from tests.unit.wire.decoding import decode, refused, request


@pytest.mark.parametrize(
    ("name", "resource"),
    [("GetOutboundPolicy", POLICY), ("GetServiceEntry", ENTRY), ("GetCluster", CLUSTER)],
)
def test_one_resource_is_asked_for_by_name(name: str, resource: str) -> None:
    """The name is parsed; that of another kind is refused."""
    assert decode(request(name)) == Get(parse_name(resource))
    for wrong in ("", CHANGE, resource + "/x", resource.upper()):
        assert [field for field, _ in refused(request(name, name=wrong))] == ["name"]


@pytest.mark.parametrize(
    ("name", "kind", "parent", "namespace"),
    [
        ("ListOutboundPolicies", ResourceKind.OUTBOUND_POLICY, MESH, None),
        ("ListClusters", ResourceKind.CLUSTER, MESH, None),
        ("ListServiceEntries", ResourceKind.SERVICE_ENTRY, f"{MESH}/namespaces/-", None),
        ("ListServiceEntries", ResourceKind.SERVICE_ENTRY, f"{MESH}/namespaces/prod", "prod"),
    ],
)
def test_lists_of_resources(name: str, kind: ResourceKind, parent: str, namespace: str | None) -> None:
    """Of a mesh, or of one namespace or all of them."""
    found = decode(request(name, parent=parent))
    assert isinstance(found, ListOf)
    assert (found.mesh, found.kind, found.namespace) == ("default", kind, namespace)


_LISTS = ["ListOutboundPolicies", "ListClusters", "ListServiceEntries", "ListChanges", "ListClusterRollouts"]


@pytest.mark.parametrize("name", _LISTS)
@pytest.mark.parametrize(
    ("field", "value"),
    [("parent", ""), ("parent", "x"), ("page_size", -1), ("page_token", "x"), ("filter", "x"), ("order_by", "x")],
)
def test_bad_lists_are_refused_with_their_place(name: str, field: str, value: object) -> None:
    """Exactly one problem, the same for every list."""
    assert [where for where, _ in refused(request(name, **{field: value}))] == [field]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ListOutboundPolicies", ["name", "mode", "scope.namespace"]),
        ("ListServiceEntries", ["name", "hosts", "resolution", "location"]),
        ("ListClusters", ["name", "labels.env", "labels.example.com/app"]),
        ("ListChanges", ["resource", "type", "actor", "request_id"]),
        ("ListClusterRollouts", ["cluster", "state"]),
    ],
)
def test_lists_are_filtered_by_what_the_contract_says(name: str, fields: list[str]) -> None:
    """Each documented field, and no other."""
    text = " AND ".join(f'{field} = "x"' for field in fields)
    found = decode(request(name, filter=text)).listing.conditions
    assert found == tuple(Condition(field, "=", "x") for field in fields)
    assert refused(request(name, filter='etag = "x"'))


@pytest.mark.parametrize(
    ("name", "order_by", "descending"),
    [
        ("ListOutboundPolicies", "", False),
        ("ListOutboundPolicies", "name desc", True),
        ("ListChanges", "", True),
        ("ListChanges", "revision", False),
        ("ListClusterRollouts", "", False),
        ("ListClusterRollouts", "cluster desc", True),
    ],
)
def test_lists_have_an_order(name: str, order_by: str, descending: bool) -> None:
    """Changes are newest first by default, everything else is sorted by name."""
    assert decode(request(name, order_by=order_by)).listing.descending is descending


def test_changes_are_asked_for_by_their_revision() -> None:
    """One change, all of a mesh, and the rollouts of one."""
    ref = ChangeRef("default", 7)
    assert decode(request("GetChange")) == ref
    assert isinstance(decode(request("ListChanges")), ListChanges)
    rollouts = decode(request("ListClusterRollouts"))
    assert isinstance(rollouts, ListRollouts)
    assert (rollouts.change, rollouts.mesh) == (ref, "default")
    assert decode(request("WaitChange")) == WaitChange(ref, False, 30.0)
    for name, field in (("GetChange", "name"), ("WaitChange", "name"), ("ListClusterRollouts", "parent")):
        assert [where for where, _ in refused(request(name, **{field: f"{MESH}/changes/x"}))] == [field]


@pytest.mark.parametrize(
    ("fields", "verified", "timeout"),
    [
        ({"until": 1}, False, 30.0),
        ({"until": 2}, True, 30.0),
        ({"timeout": Duration()}, False, 0.0),
        ({"timeout": Duration(seconds=600)}, False, 600.0),
        ({"timeout": Duration(seconds=1, nanos=500_000_000)}, False, 1.5),
    ],
)
def test_waits_have_a_goal_and_a_time(fields: dict[str, Any], verified: bool, timeout: float) -> None:
    """30 s if no time is given; 0 looks once."""
    found = decode(request("WaitChange", **fields))
    assert (found.verified, found.timeout) == (verified, timeout)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"until": 9}, "until"),
        ({"until": -1}, "until"),
        ({"timeout": Duration(seconds=601)}, "timeout"),
        ({"timeout": Duration(nanos=-1)}, "timeout"),
        ({"timeout": Duration(seconds=2**62)}, "timeout"),
        ({"timeout": Duration(seconds=-(2**62))}, "timeout"),
    ],
)
def test_bad_waits_are_refused(fields: dict[str, Any], field: str) -> None:
    """At most ten minutes, and for a known state."""
    assert [where for where, _ in refused(request("WaitChange", **fields))] == [field]


# Probe


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("http://www.aliyun.com", Destination("http", "www.aliyun.com", 80, "/")),
        ("https://www.aliyun.com/", Destination("https", "www.aliyun.com", 443, "/")),
        ("HTTPS://WWW.Aliyun.COM:8443/a?b=c#d", Destination("https", "www.aliyun.com", 8443, "/a?b=c")),
        ("http://x?q", Destination("http", "x", 80, "/?q")),
        ("http://a_b.example.com./", Destination("http", "a_b.example.com", 80, "/")),
        ("http://203.0.113.7/", Destination("http", "203.0.113.7", 80, "/")),
        ("http://[2001:db8::7]:81/", Destination("http", "2001:db8::7", 81, "/")),
    ],
)
def test_urls_are_taken_apart(url: str, destination: Destination) -> None:
    """Host in lower case without a final dot, the port of the scheme; the part after # never leaves a client."""
    assert decode(request("Probe", url=url)).attempt.destination == destination


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must be an http, https, tls or tcp URL"),
        ("www.aliyun.com", "must begin with http://, https://, tls:// or tcp://"),
        ("//www.aliyun.com", "must begin with http://, https://, tls:// or tcp://"),
        ("ftp://a.b/", "must begin with http://, https://, tls:// or tcp://"),
        ("file://etc/passwd", "must begin with http://, https://, tls:// or tcp://"),
        ("http://", "must have a DNS name"),
        ("http:///path", "must have a DNS name"),
        ("http://:80/", "must have a DNS name"),
        ("http://./", "must have a DNS name"),
        ("http://a..b/", "must have a DNS name"),
        ("http://*.a.b/", "must have a DNS name"),
        ("http://a%20b/", "must have a DNS name"),
        ('http://a"b/', "must have a DNS name"),
        ("http://-a/", "must have a DNS name"),
        (f"http://{'a' * 64}/", "must have a DNS name"),
        (f"http://{'a.' * 127}aa/", "must have a DNS name"),
        ("http://[fe80::1%25eth0]/", "must have a DNS name"),
        ("http://[v1.a:b]/", "must have a DNS name"),
        ("http://[::1/", "is not a valid URL"),
        ("http://[x]/", "is not a valid URL"),
        ("http://a:b/", "is not a valid URL"),
        ("http://a:65536/", "is not a valid URL"),
        ("http://a:-1/", "is not a valid URL"),
        ("http://a:0/", "port 0 must be"),
        ("http://user@a/", "must not contain a user name"),
        ("http://:pass@a/", "must not contain a user name"),
        ("http://a/\r\nHost: b", "printable ASCII characters without spaces"),
        ("http://a/ b", "printable ASCII characters without spaces"),
        ("http://bücher.example/", "printable ASCII characters without spaces"),
        ("http://a/\x00", "printable ASCII characters without spaces"),
        ("http://a/" + "x" * 2048, "at most 2048"),
    ],
)
def test_bad_urls_are_refused(url: str, said: str) -> None:
    """No ambiguous URL reaches an agent."""
    ((field, description),) = refused(request("Probe", url=url))
    assert field == "url"
    assert said in description


def test_a_probe_is_read_whole() -> None:
    """Every field."""
    found = decode(
        request(
            "Probe",
            namespace="prod",
            url="http://a/",
            method="GET",
            headers={"X-Trace": "1"},
            resolve="203.0.113.7",
            timeout=Duration(seconds=30),
            min_applied_revision=7,
        )
    )
    assert found.attempt == Attempt(Destination("http", "a", 80), "GET", {"X-Trace": "1"}, "203.0.113.7", 30.0)
    assert (str(found.cluster), found.namespace, found.min_applied_revision) == (CLUSTER, "prod", 7)


def test_a_probe_asks_like_curl_unless_told_otherwise() -> None:
    """HEAD, 10 s, any namespace, without waiting."""
    found = decode(request("Probe"))
    assert (found.attempt.method, found.attempt.timeout, found.namespace) == ("HEAD", 10.0, "")
    assert found.min_applied_revision == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cluster": ""}, "cluster"),
        ({"cluster": "east"}, "cluster"),
        ({"namespace": "A"}, "namespace"),
        ({"method": "POST"}, "method"),
        ({"method": "get"}, "method"),
        ({"resolve": "a.b"}, "resolve"),
        ({"resolve": "127.0.0.1"}, "resolve"),
        ({"resolve": "169.254.169.254"}, "resolve"),
        ({"resolve": "::ffff:127.0.0.1"}, "resolve"),
        ({"resolve": "2001:db8::1%eth0"}, "resolve"),
        ({"resolve": "203.0.113.7:80"}, "resolve"),
        ({"timeout": Duration()}, "timeout"),
        ({"timeout": Duration(seconds=30, nanos=1)}, "timeout"),
        ({"timeout": Duration(seconds=-1)}, "timeout"),
        ({"min_applied_revision": -1}, "min_applied_revision"),
        ({"headers": {f"x{i}": "" for i in range(33)}}, "headers"),
        ({"headers": {"a b": "c"}}, 'headers["a b"]'),
        ({"headers": {"": "c"}}, 'headers[""]'),
        ({"headers": {"a:b": "c"}}, 'headers["a:b"]'),
        ({"headers": {"Host": "c"}}, 'headers["Host"]'),
        ({"headers": {"content-LENGTH": "0"}}, 'headers["content-LENGTH"]'),
        ({"headers": {"a": "b\r\nc: d"}}, 'headers["a"]'),
        ({"headers": {"a": "ü"}}, 'headers["a"]'),
        ({"headers": {"a": "b" * 4097}}, 'headers["a"]'),
    ],
)
def test_bad_probes_are_refused_with_their_place(fields: dict[str, Any], field: str) -> None:
    """Exactly one problem."""
    assert [where for where, _ in refused(request("Probe", **fields))] == [field]


def test_all_that_is_wrong_with_a_probe_is_told_at_once() -> None:
    """In one response."""
    message = request("Probe", url="x", method="POST", resolve="x", timeout=Duration(), namespace="A")
    assert [where for where, _ in refused(message)] == ["namespace", "timeout", "url", "resolve", "method"]
