"""Assembles the gateway: the API as one route, OpenAPI and its page, health, metrics, and the origin guard."""

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
from egress_server.gateway.endpoint import HttpEndpoint, UnaryEndpoint
from egress_server.gateway.events import EventsEndpoint
from egress_server.gateway.openapi import openapi_document
from egress_server.gateway.ops import Readiness, operation_routes
from egress_server.gateway.origin_guard import Guard
from egress_server.gateway.requests import headers_of
from egress_server.gateway.responses import http_status, json_body, send_error
from egress_server.gateway.transcoder.routes import Binding, RouteMatch, RouteTable, bindings_of
from egress_server.gateway.transcoder.shapes import Shape, shape_of
from egress_server.pipeline.method import Method, StreamMethod
from egress_server.pipeline.pipeline import Pipeline
from egress_server.pipeline.status import StatusError, internal_error, status_error

_FOUND = "egress.found"


class ApiRoute(BaseRoute):
    """Matches every path of the API, with any verb."""

    def __init__(self, table: RouteTable[HttpEndpoint]) -> None:
        self._table = table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is one of the API."""
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self._table.find(scope["method"], scope["raw_path"].decode("latin-1"))
        return (Match.NONE, {}) if found is None else (Match.FULL, {_FOUND: found})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the call, or sends status 405 with the allowed verbs."""
        found: RouteMatch[HttpEndpoint] = scope[_FOUND]
        if found.target is not None:
            await found.target.serve(found.captures, scope, receive, send)
            return
        allowed = ", ".join(found.allowed)
        error = _method_not_allowed(scope["method"], scope["path"], allowed=allowed)
        extra = [(b"allow", allowed.encode())]
        await send_error(send, status_error(error).status, headers_of(scope), extra)


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
    """The gateway as an ASGI app.

    `methods` are served by their google.api.http rules; `descriptor_set` is the contract with its comments.
    `cors_origins` are the web origins that may call, none by default; `allowed_hosts` the names allowed in a Host
    header in addition to those of loopback. The deadline of a call is `timeout_seconds`, unless its `timeout` field is
    longer.

    Raises ValueError if a method has no rule, or one that does not match its request.
    """
    bindings = bindings_of(method.descriptor for method in methods.values())
    shapes: dict[str, Shape] = {}

    def endpoint(binding: Binding) -> HttpEndpoint:
        method = methods[f"/{binding.rpc.containing_service.full_name}/{binding.rpc.name}"]
        shape = shape_of(binding.rpc.input_type, shapes)
        if isinstance(method, StreamMethod):
            return EventsEndpoint(pipeline, method, binding, shape)
        return UnaryEndpoint(pipeline, method, binding, shape, timeout_seconds)

    table = RouteTable((binding, endpoint(binding)) for binding in bindings)
    document = openapi_document(bindings, descriptor_set, version)
    app = FastAPI(
        title=document["info"]["title"],
        version=version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The pipeline has the span and the metrics of a call; those of the framework would be duplicates.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        routes=[
            ApiRoute(table),
            *operation_routes(readiness, metrics),
            *docs_routes(),
            _document_route(document),
        ],
        exception_handlers={HTTPException: _framework_error, Exception: _failed},
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


def _document_route(document: dict[str, Any]) -> Route:
    body = orjson.dumps(document)

    async def serve(_: Request) -> Response:
        return Response(body, media_type="application/json")

    return Route("/openapi.json", serve)


async def _framework_error(request: Request, error: Exception) -> Response:
    """The framework's error for an unknown path or verb, as a Status."""
    headers = error.headers if isinstance(error, HTTPException) else None
    method, path = request.method, request.url.path
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (headers or {}).get("Allow", "")
        return _response(status_error(_method_not_allowed(method, path, allowed=allowed)), request, headers)
    unknown = NotFound(
        f"no such endpoint: {method} {path}", reason="ROUTE_NOT_FOUND", metadata={"method": method, "path": path}
    )
    return _response(status_error(unknown), request, headers)


def _method_not_allowed(method: str, path: str, *, allowed: str) -> EgressError:
    return Unimplemented(
        f"{method} is not allowed for {path}; allowed: {allowed}",
        reason="METHOD_NOT_ALLOWED",
        metadata={"method": method, "allowed": allowed},
    )


async def _failed(request: Request, error: Exception) -> Response:
    """A bug outside the pipeline. The caller only gets the trace ID to find it in the logs."""
    trace_id = uuid4().hex
    _log.error("request_failed", exc_info=error, trace_id=trace_id)
    return _response(internal_error(trace_id), request, None)


def _response(error: StatusError, request: Request, headers: Mapping[str, str] | None) -> Response:
    return Response(
        json_body(error.status),
        http_status(error.status, request.headers),
        headers=headers,
        media_type="application/json",
    )
