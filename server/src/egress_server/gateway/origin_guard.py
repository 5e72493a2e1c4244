"""Prevents web pages from reaching this server through a visitor's browser.

The server listens on loopback without authentication. A web page can reach it there in two ways: with its own host
name, pointed to 127.0.0.1 (DNS rebinding), which shows in the Host header; or with cross-site requests that browsers
send without asking, which shows in the Origin header. RFC 9110 section 7.2 and the Fetch standard make browsers send
both.
"""

import ipaddress
from collections.abc import Collection
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from egress_server.domain.model.errors import PermissionDenied
from egress_server.gateway.requests import headers_of
from egress_server.gateway.responses import send_error
from egress_server.pipeline.status import status_error

_SHOWN = 100


class Guard:
    """ASGI middleware. `hosts` are without a port, `origins` as browsers send them; `*` in `origins` allows all
    origins."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        names = frozenset(host.lower() for host in hosts)
        self._host_allowed = lru_cache(maxsize=64)(lambda host: _is_loopback(host) or _name(host) in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forwards a request, or rejects it with 403."""
        if scope["type"] != "lifespan" and (error := self._rejected(scope)) is not None:
            await send_error(send, status_error(error).status, headers_of(scope))
            return
        await self._app(scope, receive, send)

    def _rejected(self, scope: Scope) -> PermissionDenied | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._host_allowed(host):
            return PermissionDenied(
                "host not allowed: the Host header does not name this server",
                reason="HOST_NOT_ALLOWED",
                metadata={"host": host[:_SHOWN]},
            )
        for origin in origins:
            same = origin.partition("://")[2] == host
            if not (same or origin in self._origins or "*" in self._origins):
                return PermissionDenied(
                    "origin not allowed (see --cors-origin)",
                    reason="ORIGIN_NOT_ALLOWED",
                    metadata={"origin": origin[:_SHOWN]},
                )
        return None


def _name(host: str) -> str:
    """The host of a Host header, without its port and in lower case."""
    bracket, closing, _ = host.partition("]")
    return (bracket + closing if closing else host.partition(":")[0]).lower()


def _is_loopback(host: str) -> bool:
    name = _name(host).removeprefix("[").removesuffix("]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
