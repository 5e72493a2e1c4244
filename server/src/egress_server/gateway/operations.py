"""Pages for operators and their tools: alive, ready, metrics."""

from collections.abc import Awaitable, Callable, Mapping

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""What is not ready, by name, with why; empty when all is."""


def operation_routes(readiness: Readiness, metrics: Callable[[], bytes]) -> list[Route]:
    """The routes; none of them goes through the pipeline, so they answer when the store is away."""

    async def alive(_: Request) -> Response:
        return _json(200, {"alive": True})

    async def ready(_: Request) -> Response:
        missing = dict(await readiness())
        body = {"ready": not missing, **({"notReady": missing} if missing else {})}
        return _json(503 if missing else 200, body)

    async def exposition(_: Request) -> Response:
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)

    async def home(_: Request) -> Response:
        return RedirectResponse("/docs")

    return [
        Route("/", home),
        Route("/healthz", alive),
        Route("/readyz", ready),
        Route("/metrics", exposition),
    ]


def _json(status: int, body: object) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
