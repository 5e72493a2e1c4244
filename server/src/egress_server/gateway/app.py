"""Puts the gateway together: the contract as one route, OpenAPI and its page, health, metrics, and who may call."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import uuid4

import orjson
import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from egress_server.domain.model.errors import EgressError, NotFound, Unimplemented
from egress_server.gateway.docs import docs_routes
from egress_server.gateway.endpoint import HttpEndpoint, UnaryEndpoint, headers_of
from egress_server.gateway.errors import http_status, send_refusal
from egress_server.gateway.events import EventsEndpoint
from egress_server.gateway.openapi import openapi_document
from egress_server.gateway.ops import Readiness, operation_routes
from egress_server.gateway.origin_guard import Guard
from egress_server.gateway.replies import json_body
from egress_server.gateway.transcoder.routes import Binding, RouteMatch, RouteTable, bindings_of
from egress_server.gateway.transcoder.shapes import Shape, shape_of
from egress_server.pipeline.pipeline import Method, Pipeline, StatusError, StreamMethod
from egress_server.pipeline.status import internal_error, refusal_of

_FOUND = "egress.found"


class ContractRoute(BaseRoute):
    """Takes every path that some method has, whatever the verb."""

    def __init__(self, table: RouteTable[HttpEndpoint]) -> None:
        self._table = table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether some method has the path."""
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self._table.find(scope["method"], scope["raw_path"].decode("latin-1"))
        return (Match.NONE, {}) if found is None else (Match.FULL, {_FOUND: found})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the call, or answers 405 with the verbs there are."""
        found: RouteMatch[HttpEndpoint] = scope[_FOUND]
        if found.target is not None:
            await found.target.serve(found.captures, scope, receive, send)
            return
        allowed = ", ".join(found.allowed)
        error = Unimplemented(
            f"this path takes {allowed}, not {scope['method']}",
            reason="METHOD_NOT_ALLOWED",
            metadata={"method": scope["method"], "allowed": allowed},
        )
        extra = [(b"allow", allowed.encode())]
        await send_refusal(send, refusal_of(error).status, headers_of(scope), extra)


DEFAULT_TIMEOUT_SECONDS = 60.0

_CORS_REQUEST_HEADERS = ("content-type", "if-match", "if-none-match", "idempotency-key", "last-event-id", "traceparent")
_CORS_RESPONSE_HEADERS = ("etag", "retry-after")

_log = structlog.get_logger(__name__)


def build_app(
    pipeline: Pipeline,
    methods: Mapping[str, Method | StreamMethod],
    *,
    descriptor_set: bytes,
    readiness: Readiness,
    metrics: Callable[[], bytes],
    version: str,
    cors_origins: Collection[str] = (),
    allowed_hosts: Collection[str] = (),
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> FastAPI:
    """The REST door as an ASGI app.

    `methods` are served under their google.api.http rules; `descriptor_set` is the contract with its comments.
    `cors_origins` are the web origins that may call (none by default), `allowed_hosts` the names in a Host header
    beside the loopback ones. A call may take `timeout_seconds`, or longer where its own `timeout` field asks for it.

    Raises ValueError where a method has no rule or one that does not fit its request.
    """
    bindings = bindings_of(methods)
    shapes: dict[str, Shape] = {}
    table = RouteTable(
        (binding, endpoint_of(pipeline, binding, shape_of(binding.descriptor.input_type, shapes), timeout_seconds))
        for binding in bindings
    )
    document = openapi_document(bindings, descriptor_set, version)
    app = FastAPI(
        title=document["info"]["title"],
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The pipeline makes the one span and the metrics of a call; the framework's own would double them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        routes=[
            ContractRoute(table),
            *operation_routes(readiness, metrics),
            *docs_routes(),
            _document_route(document),
        ],
        exception_handlers={HTTPException: _refused_by_framework, Exception: _failed},
    )
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_middleware(Guard, hosts=allowed_hosts, origins=cors_origins)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=list(_CORS_REQUEST_HEADERS),
            expose_headers=list(_CORS_RESPONSE_HEADERS),
        )
    return app


def endpoint_of(pipeline: Pipeline, binding: Binding, shape: Shape, timeout: float) -> HttpEndpoint:
    """What serves a binding."""
    if isinstance(binding.method, StreamMethod):
        return EventsEndpoint(pipeline, binding.method, binding, shape)
    return UnaryEndpoint(pipeline, binding.method, binding, shape, timeout)


def _document_route(document: dict[str, Any]) -> Route:
    body = orjson.dumps(document)

    async def serve(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route("/openapi.json", serve)


async def _refused_by_framework(request: Request, error: Exception) -> Response:
    """What no route takes, as a Status."""
    headers = error.headers if isinstance(error, HTTPException) else None
    method, path = request.method, request.url.path
    refused: EgressError = NotFound(
        f"no method is at {path}", reason="ROUTE_NOT_FOUND", metadata={"method": method, "path": path}
    )
    if isinstance(error, HTTPException) and error.status_code == 405:
        refused = Unimplemented(
            f"{path} does not take {method}", reason="METHOD_NOT_ALLOWED", metadata={"method": method}
        )
    return _response(refusal_of(refused), request, headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A mistake of ours outside the pipeline; the caller gets nothing but where to find it in the log."""
    trace_id = uuid4().hex
    _log.error("request failed", exc_info=error, trace_id=trace_id)
    return _response(internal_error(trace_id), request, None)


def _response(refusal: StatusError, request: Request, headers: Mapping[str, str] | None) -> Response:
    return Response(
        json_body(refusal.status),
        http_status(refusal.status, request.headers),
        headers=headers,
        media_type="application/json",
    )
