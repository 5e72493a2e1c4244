"""Endpoints for operators: liveness, readiness, metrics."""

from collections.abc import Awaitable, Callable, Mapping

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from egress_server.domain.model.errors import EgressError
from egress_server.gateway.origin_guard import Guard
from egress_server.gateway.requests import headers_of
from egress_server.gateway.responses import send_error
from egress_server.pipeline.status import status_error

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""What is not ready, by name, and why; empty if everything is ready."""


def operation_routes(readiness: Readiness, metrics: Callable[[], bytes]) -> list[Route]:
    """The routes. They do not use the pipeline, so they work without the store."""

    async def alive(_: Request) -> Response:
        return _json(200, {"alive": True})

    async def ready(_: Request) -> Response:
        missing = dict(await readiness())
        body = {"ready": not missing, **({"notReady": missing} if missing else {})}
        return _json(503 if missing else 200, body)

    async def exposition(_: Request) -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", exposition),
    ]


def operations_app(readiness: Readiness, metrics: Callable[[], bytes], otherwise: EgressError) -> ASGIApp:
    """An app with only these endpoints. All other requests get the error `otherwise`."""
    error = status_error(otherwise)

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send_error(send, error.status, headers_of(scope))
        else:
            await WebSocketClose()(scope, receive, send)

    return Guard(Router(operation_routes(readiness, metrics), default=refuse), (), ())


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
