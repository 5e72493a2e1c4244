"""Pages for operators and their tools: alive, ready, metrics."""

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
from egress_server.gateway.endpoint import headers_of
from egress_server.gateway.errors import send_refusal
from egress_server.gateway.origin_guard import Guard
from egress_server.pipeline.status import refusal_of


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with the process, by name with the reason: what makes it unready, and what else is down."""

    not_ready: Mapping[str, str] = field(default_factory=dict)
    degraded: Mapping[str, str] = field(default_factory=dict)


Readiness = Callable[[], Awaitable[Health]]


def operation_routes(readiness: Readiness, metrics: Callable[[], bytes]) -> list[Route]:
    """The routes; none of them goes through the pipeline, so they answer when the store is away."""

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
    """These pages and nothing else: whatever else is asked for gets `otherwise`."""
    refusal = refusal_of(otherwise)

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send_refusal(send, refusal.status, headers_of(scope))
        else:
            await WebSocketClose()(scope, receive, send)

    return Guard(Router(operation_routes(readiness, metrics), default=refuse), (), ())


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
