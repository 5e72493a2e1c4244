"""The pages for operators, which are there before anything else and say what a process waits for."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from egress_server.app.storage import Storage
from egress_server.app.web import WebServer
from egress_server.domain.model.errors import EgressError
from egress_server.gateway.ops import operations_app


async def open_pages(
    stack: AsyncExitStack,
    address: str,
    storage: Storage,
    metrics: Callable[[], bytes],
    otherwise: EgressError,
    drain_seconds: float = 1.0,
) -> WebServer:
    """Health, readiness and metrics at `address` until the stack is left; whatever else is asked for gets `otherwise`.

    Raises OSError where it can't listen.
    """
    web = WebServer(operations_app(storage.readiness, metrics, otherwise), address, drain_seconds)
    await web.start()
    stack.push_async_callback(web.stop)
    return web
