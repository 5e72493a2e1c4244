"""All methods of the contract as one route of the app.

One route with a table of its own, instead of a framework route a method: templates are matched on the raw path, and a
call costs one look-up.
"""

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from egress_server.domain.errors import Unimplemented
from egress_server.gateway.endpoint import Endpoint, headers_of
from egress_server.gateway.errors import send_refusal
from egress_server.gateway.routes import Found, RouteTable
from egress_server.pipeline.status import refusal_of

_FOUND = "egress.found"


class ContractRoute(BaseRoute):
    """Takes every path that some method has, whatever the verb."""

    def __init__(self, table: RouteTable[Endpoint]) -> None:
        self._table = table

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether some method has the path."""
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self._table.find(scope["method"], scope["raw_path"].decode("latin-1"))
        return (Match.NONE, {}) if found is None else (Match.FULL, {_FOUND: found})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the call, or answers 405 with the verbs there are."""
        found: Found[Endpoint] = scope[_FOUND]
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
