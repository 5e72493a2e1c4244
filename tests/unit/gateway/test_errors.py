"""Status to HTTP: codes, preconditions, retry delays, the JSON body."""

from collections.abc import Mapping

import httpx
import pytest
from google.rpc import code_pb2, status_pb2

from egress_server.domain.model import errors
from egress_server.domain.model.errors import EgressError
from egress_server.gateway.responses import HTTP_OF_CODE, http_status, retry_after
from egress_server.pipeline.status import status_error
from tests.unit.gateway.fakes import FakePipeline, info_of, raising

SET = "/v1/meshes/default/outboundPolicies:set"
POLICY = {"outboundPolicy": {"mode": "ALLOW_ANY"}}


@pytest.mark.parametrize(
    ("code", "http"),
    [
        ("CANCELLED", 499),
        ("UNKNOWN", 500),
        ("INVALID_ARGUMENT", 400),
        ("DEADLINE_EXCEEDED", 504),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("PERMISSION_DENIED", 403),
        ("RESOURCE_EXHAUSTED", 429),
        ("FAILED_PRECONDITION", 400),
        ("ABORTED", 409),
        ("OUT_OF_RANGE", 400),
        ("UNIMPLEMENTED", 501),
        ("INTERNAL", 500),
        ("UNAVAILABLE", 503),
        ("DATA_LOSS", 500),
        ("UNAUTHENTICATED", 401),
    ],
)
def test_code(code: str, http: int) -> None:
    """Each code has the HTTP status that google/rpc/code.proto gives it."""
    assert http_status(status_pb2.Status(code=code_pb2.Code.Value(code)), {}) == http


def test_every_code() -> None:
    """No code is missing from the table; an unknown one is 500."""
    assert set(HTTP_OF_CODE) == set(code_pb2.Code.values()) - {code_pb2.OK}
    assert http_status(status_pb2.Status(code=99), {}) == 500


@pytest.mark.parametrize(
    ("error", "headers", "http"),
    [
        (errors.Aborted("x", reason="ETAG_MISMATCH"), {"if-match": '"a"'}, 412),
        (errors.Aborted("x", reason="ETAG_MISMATCH"), {}, 409),
        (errors.Aborted("x", reason="STALE"), {"if-match": '"a"'}, 409),
        (errors.AlreadyExists("x"), {"if-none-match": "*"}, 412),
        (errors.AlreadyExists("x"), {}, 409),
        (errors.InvalidArgument("x", reason="REQUEST_TOO_LARGE"), {}, 413),
        (errors.InvalidArgument("x", reason="UNSUPPORTED_MEDIA_TYPE"), {}, 415),
        (errors.Unimplemented("x", reason="METHOD_NOT_ALLOWED"), {}, 405),
    ],
)
def test_reason(error: EgressError, headers: Mapping[str, str], http: int) -> None:
    """If HTTP has a finer status than the code's, the reason picks it; 412 only if a header asked for it."""
    assert http_status(status_error(error).status, headers) == http


@pytest.mark.parametrize(("seconds", "want"), [(None, None), (0.2, 1), (3.0, 3), (3.5, 4)])
def test_retry_after(seconds: float | None, want: int | None) -> None:
    """RetryInfo becomes whole seconds, rounded up."""
    assert retry_after(status_error(errors.Unavailable("x", retry_after=seconds)).status) == want


async def test_body(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """The body of a refusal is the whole google.rpc.Status as JSON."""
    pipeline.answer = raising(
        errors.ResourceExhausted("slow down", reason="RATE", metadata={"limit": "5"}, retry_after=2.5)
    )
    response = await client.post(SET, json=POLICY)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "code": 8,
        "message": "slow down",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE",
                "domain": "egress.mesh",
                "metadata": {"limit": "5"},
            },
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.500s"},
        ],
    }


async def test_our_own_mistake(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """A bug of the server is INTERNAL with a trace ID, and does not reveal code."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret")

    pipeline.answer = broken  # type: ignore[assignment]
    response = await client.post(SET, json=POLICY)
    assert response.status_code == 500
    assert info_of(response)["reason"] == "INTERNAL"
    assert info_of(response)["metadata"]["trace_id"]
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
