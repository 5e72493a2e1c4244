"""Calls through the app: what reaches the pipeline, and how its response is returned."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from egress.v1 import change_pb2, egress_service_pb2, outbound_policy_pb2
from egress_server.domain.model.errors import AlreadyExists
from egress_server.pipeline.method import Method, RpcCall
from egress_server.pipeline.status import StatusError
from egress_server.telemetry import metrics
from egress_server.wire import METHODS
from tests.unit.gateway.fakes import FakePipeline, app_over, client_of, info_of, raising, violations_of

SET = "/v1/meshes/default/outboundPolicies:set"
UPSERT = "/v1/meshes/default/namespaces/prod/serviceEntries:upsert"
POLICY = {"outboundPolicy": {"mode": "REGISTRY_ONLY"}}
LIMIT = 1024 * 1024


async def test_request(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """Path, body, query and headers are combined into one message."""
    headers = {"If-Match": 'W/"e1"', "Idempotency-Key": "k1"}
    response = await client.post(f"{SET}?validateOnly=true", json=POLICY, headers=headers)
    assert response.status_code == 200
    want = egress_service_pb2.SetOutboundPolicyRequest(
        parent="meshes/default", etag="e1", request_id="k1", validate_only=True
    )
    want.outbound_policy.mode = outbound_policy_pb2.OutboundPolicy.REGISTRY_ONLY
    assert pipeline.requests == [want]


async def test_call(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The pipeline gets transport, peer, headers and deadline."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    before = time.monotonic()
    await client.get("/v1/meshes/default/changes", headers={"Traceparent": trace})
    (call,) = pipeline.calls
    assert call.transport == "rest"
    assert call.peer == "127.0.0.1:123"
    assert call.metadata["traceparent"] == trace
    assert call.deadline is not None
    assert before + 60 <= call.deadline <= time.monotonic() + 60


async def test_wait_outlasts_its_own_timeout(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """A call that asks to wait longer than the default deadline gets that time, plus some for the response."""
    before = time.monotonic()
    await client.get("/v1/meshes/default/changes/7:wait?timeout=300s&until=VERIFIED")
    deadline = pipeline.calls[0].deadline
    assert deadline is not None
    assert deadline - before > 300


@pytest.mark.parametrize("if_match", ['"e1"', 'W/"e1"', "e1", ' "e1" '])
async def test_if_match(client: httpx.AsyncClient, pipeline: FakePipeline, if_match: str) -> None:
    """An etag is accepted with or without quotes and weakness mark."""
    await client.delete("/v1/meshes/default/outboundPolicies/x", headers={"If-Match": if_match})
    assert pipeline.requests[0].etag == "e1"


@pytest.mark.parametrize(
    ("headers", "body", "field"),
    [
        ({"If-Match": "*"}, {}, "etag"),
        ({"If-Match": '"a", "b"'}, {}, "etag"),
        ({"If-Match": '"a"'}, {"etag": "b"}, "etag"),
        ({"If-None-Match": '"a"'}, {}, "create_only"),
        ({"Idempotency-Key": "a"}, {"requestId": "b"}, "request_id"),
    ],
)
async def test_bad_header(
    client: httpx.AsyncClient, headers: Mapping[str, str], body: Mapping[str, str], field: str
) -> None:
    """A header that contradicts its field, or has an unsupported value, is refused with the field's name."""
    response = await client.post(SET, json={**POLICY, **body}, headers=headers)
    assert response.status_code == 400
    assert list(violations_of(response)) == [field]


async def test_if_none_match(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """If-None-Match: * means create only, and its refusal is 412."""
    pipeline.answer = raising(AlreadyExists("it exists"))
    response = await client.post(SET, json=POLICY, headers={"If-None-Match": "*"})
    assert pipeline.requests[0].create_only
    assert response.status_code == 412
    assert info_of(response)["reason"] == "ALREADY_EXISTS"


async def test_idempotency_key_in_quotes(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The key may be quoted, as in its draft standard."""
    await client.post(SET, json=POLICY, headers={"Idempotency-Key": '"k1"'})
    assert pipeline.requests[0].request_id == "k1"


async def test_answer(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The response is proto3 JSON, with the resource's etag as a header."""

    async def answer(method: Method, request: Any, call: RpcCall) -> egress_service_pb2.SetOutboundPolicyResponse:
        return egress_service_pb2.SetOutboundPolicyResponse(
            outbound_policy=outbound_policy_pb2.OutboundPolicy(
                name="n", mode=outbound_policy_pb2.OutboundPolicy.REGISTRY_ONLY, etag="e2"
            ),
            change=change_pb2.Change(revision=2**60, summary={"PENDING": 1}),
        )

    pipeline.answer = answer
    response = await client.post(SET, json=POLICY)
    assert response.headers["etag"] == '"e2"'
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "outboundPolicy": {"name": "n", "mode": "REGISTRY_ONLY", "etag": "e2"},
        "change": {"revision": str(2**60), "summary": {"PENDING": 1}},
    }


async def test_etag_of_a_read(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The response for a single resource also has its etag as a header; without an etag there is no header."""
    url = "/v1/meshes/default/outboundPolicies/x"
    assert "etag" not in (await client.get(url)).headers

    async def answer(method: Method, request: Any, call: RpcCall) -> outbound_policy_pb2.OutboundPolicy:
        return outbound_policy_pb2.OutboundPolicy(etag="e3")

    pipeline.answer = answer
    assert (await client.get(url)).headers["etag"] == '"e3"'


@pytest.mark.parametrize(
    "body",
    [
        {"outboundPolicy": {"mode": 99}},
        {"outboundPolicy": {}},
        {"outboundPolicy": {"mode": 1, "scope": {"namespace": "Bad_"}}, "requestId": "two words"},
        {"outboundPolicy": {"mode": 1, "name": "meshes/other/outboundPolicies/x"}},
    ],
)
async def test_same_refusal_on_both_wires(client: httpx.AsyncClient, pipeline: FakePipeline, body: Any) -> None:
    """A mistake that both transports can express has the same Status on both."""
    response = await client.post(SET, json=body)
    assert response.status_code == 400
    request = ParseDict({**body, "parent": "meshes/default"}, egress_service_pb2.SetOutboundPolicyRequest())
    method = METHODS["/egress.v1.EgressService/SetOutboundPolicy"]
    with pytest.raises(StatusError) as caught:
        await pipeline.unary(method, request.SerializeToString(), RpcCall("grpc", "", {}))
    assert response.json() == MessageToDict(caught.value.status)


async def test_seed_yaml_is_taken_as_it_is(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """Istio's YAML is accepted unchanged, by curl --data-binary."""
    text = "apiVersion: networking.istio.io/v1alpha3\nkind: ServiceEntry\nmetadata:\n  name: aliyun-com-ext\nspec:\n"
    text += (
        "  hosts:\n  - 'www.aliyun.com'\n  ports:\n  - {number: 80, name: http, protocol: HTTP}\n  resolution: DNS\n"
    )
    headers = {"content-type": "application/yaml"}
    response = await client.post(f"{UPSERT}?reason=why", content=text.encode(), headers=headers)
    assert response.status_code == 200
    assert pipeline.requests[0].istio_yaml == text
    assert pipeline.requests[0].parent == "meshes/default/namespaces/prod"
    assert pipeline.requests[0].reason == "why"


async def test_yaml_where_it_has_no_place(client: httpx.AsyncClient) -> None:
    """A method without istio_yaml refuses YAML."""
    response = await client.post(SET, content=b"a: 1", headers={"content-type": "application/yaml"})
    assert response.status_code == 415
    assert info_of(response)["metadata"] == {"accepted": "application/json"}


async def chunks(size: int) -> AsyncIterator[bytes]:
    """A body without Content-Length."""
    for _ in range(size // 65536):
        yield b" " * 65536
    yield b" " * (size % 65536)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 400), (LIMIT + 1, 413), (10 * LIMIT, 413)])
async def test_body_limit(
    client: httpx.AsyncClient, pipeline: FakePipeline, size: int, status: int, streamed: bool
) -> None:
    """A body over 1 MiB is refused with the limit, with or without Content-Length; up to it, it is read."""
    content = chunks(size) if streamed else b" " * size
    response = await client.post(SET, content=content, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert response.json()["code"] == 3
    if status == 413:
        assert info_of(response)["reason"] == "REQUEST_TOO_LARGE"
        assert info_of(response)["metadata"] == {"limit_bytes": str(LIMIT)}
    assert pipeline.requests == []


async def test_deep_json(client: httpx.AsyncClient) -> None:
    """A hundred thousand brackets are an error that names the limit."""
    headers = {"content-type": "application/json"}
    response = await client.post(SET, content=b'{"outboundPolicy":' * 50_000, headers=headers)
    assert response.status_code == 400
    assert info_of(response)["metadata"] == {"max_depth": "100"}


async def test_refusals_at_the_door_are_counted() -> None:
    """A request that does not reach the pipeline is counted in the same metric."""
    labels = {"method": "/egress.v1.EgressService/SetOutboundPolicy", "transport": "rest", "code": "INVALID_ARGUMENT"}
    before = metrics.REGISTRY.get_sample_value("egress_requests_total", labels) or 0
    async with client_of(app_over(FakePipeline())) as client:
        await client.post(SET, json={"nope": 1})
    assert metrics.REGISTRY.get_sample_value("egress_requests_total", labels) == before + 1
