"""A fake pipeline for the gateway: decodes requests like the real one, and returns what a test sets."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, cast

import httpx
from fastapi import FastAPI
from google.protobuf.message import Message

from egress_server.domain.model.errors import EgressError
from egress_server.gateway.app import build_app
from egress_server.gateway.ops import Health
from egress_server.pipeline.method import Method, RpcCall, StreamMethod
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import status_error
from egress_server.wire import METHODS, STREAMS

DESCRIPTORS = files("egress_server.wire").joinpath("descriptors.binpb").read_bytes()

Answer = Callable[[Method, Any, RpcCall], Awaitable[Message]]


class FakePipeline:
    """Decodes each request with the method's own decoder and returns the reply of `answer`; records requests."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.calls: list[RpcCall] = []
        self.answer: Answer = empty_answer
        self.events: AsyncIterator[Message] = no_events()

    async def unary(self, method: Method, request: bytes | Message, call: RpcCall) -> Message:
        """Like the real one: a response or a Refusal."""
        message: Any = method.request_type.FromString(request) if isinstance(request, bytes) else request
        self.requests.append(message)
        self.calls.append(call)
        try:
            method.decode(message)
            return await self.answer(method, message, call)
        except EgressError as error:
            raise status_error(error) from error

    async def stream(self, method: StreamMethod, request: Message, call: RpcCall) -> AsyncGenerator[Message, None]:
        """Like the real one: the events of `events`, or a Refusal."""
        self.requests.append(request)
        self.calls.append(call)
        try:
            method.decode(request)
            async for event in self.events:
                yield event
        except EgressError as error:
            raise status_error(error) from error


async def no_events() -> AsyncGenerator[Message, None]:
    """A stream that ends immediately."""
    return
    yield


async def empty_answer(method: Method, request: Any, call: RpcCall) -> Message:
    """An empty response."""
    return method.response_type()


def raising(error: EgressError) -> Answer:
    """A response that is a refusal."""

    async def answer(method: Method, request: Any, call: RpcCall) -> Message:
        raise error

    return answer


async def all_ready() -> Health:
    """No problems."""
    return Health()


def app_over(pipeline: FakePipeline, **changes: Any) -> FastAPI:
    """The gateway over a fake pipeline, with all methods of the contract."""
    arguments: dict[str, Any] = {
        "descriptor_set": DESCRIPTORS,
        "readiness": all_ready,
        "metrics": lambda: b"egress_requests_total 1\n",
        "version": "1.2.3",
    }
    return build_app(cast("Pipeline", pipeline), {**METHODS, **STREAMS}, **{**arguments, **changes})


@asynccontextmanager
async def client_of(app: FastAPI, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls the app in process; a bug in the app results in a 500, as over a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080", headers=headers) as client:
        yield client


def info_of(response: httpx.Response) -> dict[str, Any]:
    """The ErrorInfo of a refusal."""
    found: list[dict[str, Any]] = [d for d in response.json()["details"] if d["@type"].endswith("ErrorInfo")]
    return found[0]


def violations_of(response: httpx.Response) -> dict[str, str]:
    """Field to description of a refusal's BadRequest."""
    bad = [d for d in response.json()["details"] if d["@type"].endswith("BadRequest")]
    return {v["field"]: v["description"] for d in bad for v in d["fieldViolations"]}
