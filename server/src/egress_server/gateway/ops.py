"""Endpoints for operators: liveness, readiness, metrics."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with the process, by name with the reason: what makes it unready, and what else is down."""

    not_ready: Mapping[str, str] = field(default_factory=dict)
    degraded: Mapping[str, str] = field(default_factory=dict)


Readiness = Callable[[], Awaitable[Health]]


def operation_routes(readiness: Readiness, metrics: Callable[[], bytes]) -> list[Route]:
    """The routes. They do not use the pipeline, so they work without the store."""

    async def alive(_: Request) -> Response:
        return _json(200, {"alive": True})

    async def ready(_: Request) -> Response:
        health = await readiness()
        body: dict[str, object] = {"ready": not health.not_ready}
        if health.not_ready:
            body["notReady"] = dict(health.not_ready)
        if health.degraded:
            body["degraded"] = dict(health.degraded)
        return _json(503 if health.not_ready else 200, body)

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
