"""Keeps web pages from using a visitor's browser to reach this server.

It listens on loopback without authentication, where a page can reach it in two ways: by a name of its own that it
re-points to 127.0.0.1 (DNS rebinding), which the Host header gives away, and by requests a browser sends across sites
without asking, which the Origin header gives away. RFC 9110 section 7.2 and the Fetch standard make browsers send both.
"""

import ipaddress
from collections.abc import Collection
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from egress_server.domain.model.errors import PermissionDenied
from egress_server.gateway.endpoint import headers_of
from egress_server.gateway.errors import send_refusal
from egress_server.pipeline.status import refusal_of

_SHOWN = 100


class Guard:
    """ASGI middleware. Hosts without a port, origins as browsers send them; `*` in `origins` allows all of them."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        names = frozenset(host.lower() for host in hosts)
        self._host_allowed = lru_cache(maxsize=64)(lambda host: _is_loopback(host) or _name(host) in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it with 403."""
        if scope["type"] != "lifespan" and (refused := self._refused(scope)) is not None:
            await send_refusal(send, refusal_of(refused).status, headers_of(scope))
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope) -> PermissionDenied | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._host_allowed(host):
            return PermissionDenied(
                "the Host header names no host that this server answers for",
                reason="HOST_NOT_ALLOWED",
                metadata={"host": host[:_SHOWN]},
            )
        for origin in origins:
            same = origin.partition("://")[2] == host
            if not (same or origin in self._origins or "*" in self._origins):
                return PermissionDenied(
                    "pages of this origin may not call this server",
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
