"""A minimal API server: lists and watches that a test fills, and responses that it dictates."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes.aio.client import Configuration

from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import ApiConnection
from tests.support.waiting import until

Object = dict[str, Any]
ENTRIES = "/apis/networking.istio.io/v1/serviceentries"
_ISTIO = {"resources": [{"name": name} for name in ("serviceentries", "virtualservices", "sidecars")]}


class ApiServer:
    """`requests` is what it was asked, `lists` its objects by path; watches send what `send_event` is given."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.queries: list[Mapping[str, str]] = []
        self.lists: dict[str, list[Object]] = defaultdict(list)
        self.version = 100
        self.responses: list[web.Response] = []
        self.page = 0
        self.hold: asyncio.Event | None = None
        self._watches: dict[str, list[asyncio.Queue[bytes | None]]] = defaultdict(list)
        self.url = ""

    def send_event(self, kind: str, obj: Object, path: str = ENTRIES) -> None:
        """Sends an event to all watches."""
        for watch in self._watches[path]:
            watch.put_nowait(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    def end_watches(self, path: str = ENTRIES) -> None:
        """Ends watches, as a server does after a while."""
        for watch in self._watches[path]:
            watch.put_nowait(None)

    def respond_with(self, status: int, body: Any = None, **headers: str) -> None:
        """Sets the response to the next request."""
        text = (
            body if isinstance(body, str) else json.dumps(body or {"kind": "Status", "message": "no", "code": status})
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.responses.append(web.Response(status=status, text=text, headers=named))

    async def until_watched(self, times: int = 1, path: str = ENTRIES) -> None:
        """Returns once this many watches have begun."""
        await until(lambda: self.requests.count(f"WATCH {path}") >= times, f"{times} watches of {path}")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        watch = "watch" in request.query
        self.requests.append(f"{'WATCH' if watch else request.method} {request.path}")
        self.queries.append(dict(request.query))
        if self.responses:
            return self.responses.pop(0)
        return await (self.watch(request) if watch else self.respond(request))

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """To a request that is not a watch."""
        if request.path == "/apis/networking.istio.io/v1":
            return web.json_response(_ISTIO)
        if request.method != "GET":
            return await self._written(request)
        if request.path not in self.lists and request.path != ENTRIES:
            return web.json_response({"kind": "Status", "message": "not here", "code": 404}, status=404)
        return self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        items, start = self.lists[request.path], int(request.query.get("continue") or 0)
        end = start + self.page if self.page else len(items)
        metadata = {"resourceVersion": str(self.version)} | ({"continue": str(end)} if end < len(items) else {})
        return web.json_response({"items": items[start:end], "metadata": metadata})

    async def _written(self, request: web.Request) -> web.Response:
        """Stores what it is given, and sends the event before the response."""
        obj = await request.json()
        self.version += 1
        if request.method == "DELETE":
            return web.json_response({"kind": "Status", "status": "Success"})
        obj["metadata"] |= {"resourceVersion": str(self.version), "uid": obj["metadata"].get("uid") or "made"}
        obj["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        self.send_event("MODIFIED", obj)
        if self.hold:
            await self.hold.wait()
        return web.json_response(obj)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Sends what `send_event` is given."""
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._watches[request.path].append(events)
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while (line := await events.get()) is not None:
                await response.write(line)
        finally:
            self._watches[request.path].remove(events)
        return response


@asynccontextmanager
async def running(server: ApiServer, port: int = 0) -> AsyncIterator[None]:
    """Serves on a loopback port, any free one by default."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[ApiServer, ApiClient]]:
    """A server on a free loopback port, and a client of it."""
    server = ApiServer()
    async with running(server):
        client = ApiClient(ApiConnection(Configuration(host=server.url)))
        try:
            yield server, client
        finally:
            await client.close()


def an_entry(name: str, version: int, **more: Any) -> Object:
    """A ServiceEntry at that version; `more` are fields of its metadata."""
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **more,
    }
    return {"metadata": metadata, "spec": {"hosts": [f"v{version}.example"]}}
