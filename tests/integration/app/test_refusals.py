"""Invalid input over each transport: an error that names field or limit, the same over both, and nothing changes."""

import json
from typing import Any

import pytest

from tests.integration.app.requests import MESH, cluster, delete, entry, head, ok, policy
from tests.integration.app.transports import Answer, GrpcTransport, Json, RestTransport

INVALID, NOT_FOUND, EXISTS, PRECONDITION, ABORTED = 3, 5, 6, 9, 10
pytestmark = pytest.mark.xdist_group("app-refusals")
SAFE = {INVALID, 4, NOT_FOUND, EXISTS, 7, 8, PRECONDITION, ABORTED, 12}
"""Codes for mistakes of the caller; never UNKNOWN or INTERNAL."""

_PORT = {"number": 80, "name": "http", "protocol": "HTTP"}
_MISSING = f"{MESH}/namespaces/prod/serviceEntries/missing"


def _port(**fields: Any) -> Json:
    return entry(ports=[{**_PORT, **fields}])


def _yaml(text: str, **fields: Any) -> Json:
    return {"parent": MESH, "istioYaml": text, **fields}


def _labels(count: int) -> Json:
    return {f"key{i}": "v" for i in range(count)}


FIELDS: dict[str, tuple[str, Json, str]] = {
    "host with a space": ("UpsertServiceEntry", entry(hosts=["not a host"]), "service_entry.hosts[0]"),
    "host with null byte": ("UpsertServiceEntry", entry(hosts=["a\0b.example.com"]), "service_entry.hosts[0]"),
    "host is an address": ("UpsertServiceEntry", entry(hosts=["203.0.113.7"]), "service_entry.hosts[0]"),
    "host too long": ("UpsertServiceEntry", entry(hosts=["a" * 300]), "service_entry.hosts[0]"),
    "host twice": ("UpsertServiceEntry", entry(hosts=["a.example.com"] * 2), "service_entry.hosts[1]"),
    "no host": ("UpsertServiceEntry", entry(hosts=[]), "service_entry.hosts"),
    "no entry": ("UpsertServiceEntry", {"parent": f"{MESH}/namespaces/prod"}, "service_entry"),
    "port 0": ("UpsertServiceEntry", _port(number=0), "service_entry.ports[0].number"),
    "port 70000": ("UpsertServiceEntry", _port(number=70000), "service_entry.ports[0].number"),
    "negative port": ("UpsertServiceEntry", _port(number=-1), "service_entry.ports[0].number"),
    "target port 70000": ("UpsertServiceEntry", _port(targetPort=70000), "service_entry.ports[0].target_port"),
    "unknown protocol": ("UpsertServiceEntry", _port(protocol=77), "service_entry.ports[0].protocol"),
    "negative protocol": ("UpsertServiceEntry", _port(protocol=-5), "service_entry.ports[0].protocol"),
    "unknown resolution": ("UpsertServiceEntry", entry(resolution=42), "service_entry.resolution"),
    "bad port name": ("UpsertServiceEntry", _port(name="a\0"), "service_entry.ports[0].name"),
    "bad address": ("UpsertServiceEntry", entry(addresses=["300.1.1.1"]), "service_entry.addresses[0]"),
    "huge weight": (
        "UpsertServiceEntry",
        entry(endpoints=[{"address": "203.0.113.7", "weight": -1}]),
        "service_entry.endpoints[0].weight",
    ),
    "bad export": ("UpsertServiceEntry", entry(exportTo=["Not A Namespace"]), "service_entry.export_to[0]"),
    "bad entry id": ("UpsertServiceEntry", {**entry(), "serviceEntryId": "Not_An_Id"}, "service_entry_id"),
    "bad parent": ("UpsertServiceEntry", {**entry(), "parent": f"{MESH}/namespaces/NOT"}, "parent"),
    "two selectors": (
        "UpsertServiceEntry",
        entry(clusterSelector={"clusters": ["one"], "matchLabels": {"a": "b"}}),
        "service_entry.cluster_selector",
    ),
    "selector with fields": (
        "UpsertServiceEntry",
        {**entry(), "clusterSelector": {"clusters": ["one"]}},
        "cluster_selector",
    ),
    "no mode": ("SetOutboundPolicy", {"parent": MESH, "outboundPolicy": {}}, "outbound_policy.mode"),
    "no policy": ("SetOutboundPolicy", {"parent": MESH}, "outbound_policy.mode"),
    "unknown mode": ("SetOutboundPolicy", policy(mode=9), "outbound_policy.mode"),
    "mode 2^31-1": ("SetOutboundPolicy", policy(mode=2**31 - 1), "outbound_policy.mode"),
    "bad namespace": (
        "SetOutboundPolicy",
        policy(scope={"namespace": "No Namespace"}),
        "outbound_policy.scope.namespace",
    ),
    "labels without namespace": (
        "SetOutboundPolicy",
        policy(scope={"matchLabels": {"app": "x"}}),
        "outbound_policy.scope.match_labels",
    ),
    "bad label": (
        "SetOutboundPolicy",
        policy(scope={"namespace": "a", "matchLabels": {"a b": "x"}}),
        'outbound_policy.scope.match_labels["a b"]',
    ),
    "many bad labels": (
        "SetOutboundPolicy",
        policy(scope={"namespace": "a", "matchLabels": {f"{c} b": "x" for c in "zyxwvutsabcdefgh"}}),
        'outbound_policy.scope.match_labels["a b"]',
    ),
    "two policy selectors": (
        "SetOutboundPolicy",
        policy(clusterSelector={"clusters": ["one"], "matchLabels": {"a": "b"}}),
        "outbound_policy.cluster_selector",
    ),
    "selector of bad cluster": (
        "SetOutboundPolicy",
        policy(clusterSelector={"clusters": ["ONE"]}),
        "outbound_policy.cluster_selector.clusters[0]",
    ),
    "name of another parent": (
        "SetOutboundPolicy",
        policy(name="meshes/other/outboundPolicies/x"),
        "parent",
    ),
    "no target": ("RegisterCluster", {**cluster(), "cluster": {}}, "cluster.target"),
    "no cluster id": ("RegisterCluster", {**cluster(), "clusterId": ""}, "cluster_id"),
    "bad cluster id": ("RegisterCluster", {**cluster(), "clusterId": "../../etc"}, "cluster_id"),
    "too many labels": ("RegisterCluster", cluster(labels=_labels(100)), "cluster.labels"),
    "long request id": ("UpsertServiceEntry", {**entry(), "requestId": "x" * 129}, "request_id"),
    "request id with null": ("UpsertServiceEntry", {**entry(), "requestId": "a\0b"}, "request_id"),
    "long reason": ("SetOutboundPolicy", {**policy(), "reason": "x" * 1025}, "reason"),
    "reason of wide letters": ("SetOutboundPolicy", {**policy(), "reason": "\u00e9" * 600}, "reason"),
    "bad etag": ("SetOutboundPolicy", {**policy(), "etag": "no etag"}, "etag"),
    "bad finding": ("SetOutboundPolicy", {**policy(), "suppressFindings": ["ALL"]}, "suppress_findings[0]"),
    "delete by wrong kind": ("DeleteOutboundPolicy", {"name": f"{MESH}/outboundPolicies/UPPER"}, "name"),
    "delete must not exist": ("DeleteServiceEntry", {"name": _MISSING, "createOnly": True}, "create_only"),
    "negative page size": ("ListServiceEntries", {"parent": f"{MESH}/namespaces/-", "pageSize": -1}, "page_size"),
    "bad page token": ("ListOutboundPolicies", {"parent": MESH, "pageToken": "///"}, "page_token"),
    "page token of letters": ("ListChanges", {"parent": MESH, "pageToken": "\u00fc"}, "page_token"),
    "token of another list": ("ListClusters", {"parent": MESH, "pageToken": "b25lCjAwMDAwMDAw"}, "page_token"),
    "bad filter": ("ListServiceEntries", {"parent": f"{MESH}/namespaces/-", "filter": "(("}, "filter"),
    "filter by unknown field": ("ListClusters", {"parent": MESH, "filter": 'color = "red"'}, "filter"),
    "bad order": ("ListChanges", {"parent": MESH, "orderBy": "size"}, "order_by"),
    "bad list parent": ("ListServiceEntries", {"parent": f"{MESH}/namespaces/UP"}, "parent"),
    "bad change": ("GetChange", {"name": f"{MESH}/changes/-1"}, "name"),
    "change of 40 digits": ("GetChange", {"name": f"{MESH}/changes/{'9' * 40}"}, "name"),
    "bad until": ("WaitChange", {"name": f"{MESH}/changes/1", "until": 9}, "until"),
    "huge wait": ("WaitChange", {"name": f"{MESH}/changes/1", "timeout": "315576000000s"}, "timeout"),
    "negative wait": ("WaitChange", {"name": f"{MESH}/changes/1", "timeout": "-1s"}, "timeout"),
    "no URL": ("Probe", {"cluster": f"{MESH}/clusters/one"}, "url"),
    "bad URL": ("Probe", {"cluster": f"{MESH}/clusters/one", "url": "gopher://x/"}, "url"),
    "URL with null": ("Probe", {"cluster": f"{MESH}/clusters/one", "url": "http://a\0b/"}, "url"),
    "probe of metadata": (
        "Probe",
        {"cluster": f"{MESH}/clusters/one", "url": "http://a.example.com/", "resolve": "169.254.169.254"},
        "resolve",
    ),
    "probe for an hour": (
        "Probe",
        {"cluster": f"{MESH}/clusters/one", "url": "http://a.example.com/", "timeout": "3600s"},
        "timeout",
    ),
    "probe with bad header": (
        "Probe",
        {"cluster": f"{MESH}/clusters/one", "url": "http://a.example.com/", "headers": {"a": "x\r\nb: y"}},
        'headers["a"]',
    ),
    "YAML of another kind": (
        "UpsertServiceEntry",
        _yaml("apiVersion: networking.istio.io/v1\nkind: Gateway"),
        "istio_yaml.kind",
    ),
    "broken YAML": ("UpsertServiceEntry", _yaml("kind: [ServiceEntry"), "istio_yaml"),
    "empty YAML": ("UpsertServiceEntry", _yaml(" "), "istio_yaml"),
    "YAML with null byte": ("UpsertServiceEntry", _yaml("kind: a\0b"), "istio_yaml"),
    "deep YAML": ("UpsertServiceEntry", _yaml("[" * 100_000), "istio_yaml"),
    "YAML bomb": ("UpsertServiceEntry", _yaml("a: &a [x]\nb: [*a, *a]"), "istio_yaml"),
    "YAML tag": ("UpsertServiceEntry", _yaml("!!python/object/apply:os.system ['true']"), "istio_yaml"),
    "YAML list": ("UpsertServiceEntry", _yaml("- a"), "istio_yaml"),
}


def both(by_grpc: GrpcTransport, by_rest: RestTransport, rpc: str, request: Json) -> Answer:
    """The refusal that both transports give, with the same body; nothing has changed."""
    before = head(by_grpc)
    answers = by_grpc.call(rpc, request), by_rest.call(rpc, request)
    for answer in answers:
        assert answer.code in SAFE, str(answer)
    assert answers[0].body == answers[1].body
    assert head(by_grpc) == before
    return answers[1]


@pytest.mark.parametrize("case", FIELDS)
def test_bad_field(by_grpc: GrpcTransport, by_rest: RestTransport, case: str) -> None:
    """An invalid field is named by its path, with the same message over both transports."""
    rpc, request, field = FIELDS[case]
    answer = both(by_grpc, by_rest, rpc, request)
    assert (answer.code, answer.http) == (INVALID, 400), str(answer)
    assert answer.fields[0] == field, str(answer)
    assert field.partition("[")[0] in answer.body["message"], str(answer)


@pytest.mark.parametrize(
    ("rpc", "request_", "code", "reason", "http"),
    [
        ("GetServiceEntry", {"name": _MISSING}, NOT_FOUND, "RESOURCE_NOT_FOUND", 404),
        ("DeleteServiceEntry", {"name": _MISSING}, NOT_FOUND, "RESOURCE_NOT_FOUND", 404),
        ("DeleteOutboundPolicy", {"name": f"{MESH}/outboundPolicies/missing"}, NOT_FOUND, "RESOURCE_NOT_FOUND", 404),
        ("GetChange", {"name": f"{MESH}/changes/999999"}, NOT_FOUND, "CHANGE_NOT_FOUND", 404),
        ("GetChange", {"name": f"{MESH}/changes/0"}, NOT_FOUND, "CHANGE_NOT_FOUND", 404),
        ("ListClusterRollouts", {"parent": f"{MESH}/changes/999999"}, NOT_FOUND, "CHANGE_NOT_FOUND", 404),
        ("GetCluster", {"name": f"{MESH}/clusters/missing"}, NOT_FOUND, "RESOURCE_NOT_FOUND", 404),
        ("ListClusters", {"parent": "meshes/missing"}, NOT_FOUND, "MESH_NOT_FOUND", 404),
        ("SetOutboundPolicy", {**policy(), "parent": "meshes/missing"}, NOT_FOUND, "MESH_NOT_FOUND", 404),
        (
            "Probe",
            {"cluster": f"{MESH}/clusters/missing", "url": "http://a.example.com/"},
            NOT_FOUND,
            "CLUSTER_NOT_FOUND",
            404,
        ),
        (
            "Probe",
            {"cluster": f"{MESH}/clusters/one", "namespace": "empty", "url": "http://a.example.com/"},
            PRECONDITION,
            "NO_AGENT",
            400,
        ),
        (
            "Probe",
            {"cluster": f"{MESH}/clusters/one", "url": "http://127.0.0.1/"},
            INVALID,
            "ADDRESS_FORBIDDEN",
            400,
        ),
        ("UpsertServiceEntry", {**entry(), "etag": "other.7"}, ABORTED, "ETAG_MISMATCH", 409),
        ("DeleteServiceEntry", {"name": _MISSING, "etag": "other.7"}, ABORTED, "ETAG_MISMATCH", 409),
        (
            "RegisterCluster",
            {**cluster(), "clusterId": "one", "createOnly": True},
            EXISTS,
            "ALREADY_EXISTS",
            409,
        ),
    ],
)
def test_what_the_state_forbids(
    by_grpc: GrpcTransport, by_rest: RestTransport, rpc: str, request_: Json, code: int, reason: str, http: int
) -> None:
    """A failed precondition has a stable reason, the same over both transports."""
    answer = both(by_grpc, by_rest, rpc, request_)
    assert (answer.code, answer.reason, answer.http) == (code, reason, http), str(answer)


def test_existing_resource(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """create_only, a wrong etag and another scope are refused if the resource exists."""
    made = ok(by_grpc.call("SetOutboundPolicy", {**policy(), "outboundPolicyId": "existing"}))
    request = {**policy(), "outboundPolicyId": "existing"}
    request["outboundPolicy"]["scope"] = made["outboundPolicy"]["scope"]
    assert both(by_grpc, by_rest, "SetOutboundPolicy", {**request, "createOnly": True}).reason == "ALREADY_EXISTS"
    assert both(by_grpc, by_rest, "SetOutboundPolicy", {**request, "etag": "no.1"}).reason == "ETAG_MISMATCH"
    other = {**request, "outboundPolicy": {"mode": "ALLOW_ANY", "scope": {"namespace": "elsewhere"}}}
    assert both(by_grpc, by_rest, "SetOutboundPolicy", other).fields == ["outbound_policy.scope"]
    by_header = by_rest.call("SetOutboundPolicy", request, **{"if-match": '"no.1"'})
    assert (by_header.http, by_header.reason) == (412, "ETAG_MISMATCH")
    by_header = by_rest.call("SetOutboundPolicy", request, **{"if-none-match": "*"})
    assert (by_header.http, by_header.reason) == (412, "ALREADY_EXISTS")
    right = {"if-match": f'"{made["outboundPolicy"]["etag"]}"'}
    delete(by_grpc, ok(by_rest.call("SetOutboundPolicy", request, **right)))


def test_finding(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """An ERROR finding refuses with its code, even if it is suppressed but not suppressible."""
    request = {**entry(endpoints=[{"address": "169.254.169.254"}]), "suppressFindings": ["EGR0105"]}
    answer = both(by_grpc, by_rest, "UpsertServiceEntry", request)
    assert (answer.code, answer.reason, answer.http) == (PRECONDITION, "BLOCKED_BY_FINDINGS", 400), str(answer)
    assert "EGR0105" in answer.body["message"]


def test_too_large(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """Requests over the limit are refused with the limit: 2 MB with the same message, 10 MB where the transport stops
    reading."""
    before = head(by_grpc)
    large = {**entry(), "reason": "x" * 2_000_000}
    answers = [by_grpc.call("UpsertServiceEntry", large), by_rest.call("UpsertServiceEntry", large)]
    assert [(answer.code, answer.reason) for answer in answers] == [(INVALID, "REQUEST_TOO_LARGE")] * 2
    assert answers[0].body["details"] == answers[1].body["details"]
    huge = {**entry(), "reason": "x" * 10_000_000}
    assert by_grpc.call("UpsertServiceEntry", huge).code in {INVALID, 8}
    refused = by_rest.call("UpsertServiceEntry", huge)
    assert (refused.http, refused.reason) == (413, "REQUEST_TOO_LARGE")
    assert "1048576" in refused.body["message"]
    assert head(by_grpc) == before


_SET = f"/v1/{MESH}/outboundPolicies:set"
_JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "http", "says"),
    [
        (b"[" * 100_000, _JSON, 400, "nested"),
        (b'{"a":' * 40_000, _JSON, 400, "nested"),
        (b'{"reason": ' + b"[" * 90 + b"]" * 90 + b"}", _JSON, 400, "reason"),
        (b'{"outboundPolicy": {"mode": "REGISTRY_ONLY"', _JSON, 400, "malformed"),
        (b"\xff\xfe{}", _JSON, 400, "UTF-8"),
        (b'{"reason": "\\ud800"}', _JSON, 400, "surrogate"),
        (b'{"outboundPolicyId": "\\u0000"}', _JSON, 400, "outbound_policy_id"),
        (b'{"nonsense": 1}', _JSON, 400, "nonsense"),
        (b'{"outboundPolicy": {"mode": "registry_only"}}', _JSON, 400, "outbound_policy.mode"),
        (b'{"outboundPolicy": {"mode": 99999999999}}', _JSON, 400, "outbound_policy.mode"),
        (b'{"outboundPolicy": []}', _JSON, 400, "outbound_policy"),
        (b"[]", _JSON, 400, "object"),
        (b"null", _JSON, 400, "object"),
        (b"", _JSON, 400, "outbound_policy.mode"),
        (b"NaN", _JSON, 400, "NaN"),
        (b'{"validateOnly": ' + b"1" * 10_000 + b"}", _JSON, 400, "digits"),
        (b'{"reason": "a", "reason": "b"}', _JSON, 400, "twice"),
        (b"mode=ALLOW_ANY", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        (b"{}", {"content-type": "text/plain"}, 415, "application/json"),
        (b"{}", {"content-type": "application/json; charset=utf-16"}, 415, "UTF-8"),
        (b"{}", {**_JSON, "if-match": '"a", "b"'}, 400, "etag"),
        (b"{}", {**_JSON, "idempotency-key": "x" * 500}, 400, "request_id"),
        (b"{}", {**_JSON, "host": "evil.example.com"}, 403, "Host"),
        (b"{}", {**_JSON, "origin": "https://evil.example.com"}, 403, "origin"),
    ],
)
def test_bad_http(
    by_grpc: GrpcTransport, by_rest: RestTransport, body: bytes, headers: dict[str, str], http: int, says: str
) -> None:
    """Whatever an HTTP client sends, the response is a Status with the problem, and nothing changes."""
    before = head(by_grpc)
    answer = by_rest.send("POST", _SET, body, **headers)
    assert answer.http == http, str(answer)
    assert says in json.dumps(answer.body), str(answer)
    assert answer.code in SAFE
    assert head(by_grpc) == before


@pytest.mark.parametrize(
    ("verb", "path", "http"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/meshes/default/outboundPolicies/%FF", 400),
        ("GET", "/v1/meshes/default/outboundPolicies/a%2Fb", 400),
        ("PATCH", "/v1/meshes/default/outboundPolicies", 405),
        ("GET", "/v1/meshes/default/outboundPolicies?pageSize=many", 400),
        ("GET", "/v1/meshes/default/outboundPolicies?nonsense=1", 400),
        ("GET", "/v1/meshes/default/outboundPolicies?filter=%ff", 400),
        ("GET", "/v1/meshes/default/changes/1:wait?timeout=forever", 400),
        ("DELETE", "/v1/meshes/default/outboundPolicies/x?validateOnly=perhaps", 400),
    ],
)
def test_bad_paths(by_rest: RestTransport, verb: str, path: str, http: int) -> None:
    """Paths and queries that make no sense get a Status, too."""
    answer = by_rest.send(verb, path, b"")
    assert answer.http == http, str(answer)
    assert answer.code in SAFE


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x0a\xff", b"\x0a\x02\xc3\x28", b"\x1a\x80\x80\x80\x80\x7f"])
def test_malformed_bytes(by_grpc: GrpcTransport, data: bytes) -> None:
    """Bytes that are not a message, or text in them that is not UTF-8, are refused as malformed."""
    before = head(by_grpc)
    for path in ("EgressService/SetOutboundPolicy", "EgressService/UpsertServiceEntry", "EgressService/Probe"):
        answer = by_grpc.raw(f"/egress.v1.{path}", data)
        assert (answer.code, answer.reason) == (INVALID, "MALFORMED_REQUEST"), str(answer)
    assert by_grpc.raw("/egress.v1.EgressService/Nothing", b"").code == 12
    assert head(by_grpc) == before
