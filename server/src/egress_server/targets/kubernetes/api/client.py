"""A thin client of one API server: bytes out, plain dicts in, bounded, and with errors that say what to do next.

The generated client makes a class of each object and has none for Istio's; an applier that moves thousands of small
objects wants neither.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.ports.target import UNREACHABLE
from egress_server.targets.kubernetes.api.connection import ApiConnection
from egress_server.targets.kubernetes.api.errors import ApiError, ApiResponse, content_of, refusal_of
from egress_server.targets.kubernetes.api.kinds import ApiKind

Object = dict[str, Any]

FIELD_MANAGER = "mesh-egress"
"""What the API server calls us where it says who set a field."""
_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_MERGE = "application/merge-patch+json"
_JSON = "application/json"
_REQUEST = aiohttp.ClientTimeout(total=15, sock_connect=4)
_WATCH = aiohttp.ClientTimeout(total=None, sock_connect=4)
_PING_SECONDS = 4.0
_PAGE = 500


@dataclass(frozen=True, slots=True)
class ListPage:
    """Objects of one kind, all as of `version`."""

    items: list[Object]
    version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a watch: OPENED (ours: the server has begun to answer), ADDED, MODIFIED, DELETED or BOOKMARK, and
    the object it is about."""

    type: str
    object: Object


class ApiClient:
    """Speaks to the API server at `connection`, with at most `concurrency` requests at a time, watches aside.

    Every call raises Refusal where the server says no, TransientError where it can't be reached or asks to be left
    alone, PermanentError where it does not know us.
    """

    def __init__(self, connection: ApiConnection, concurrency: int = 16) -> None:
        self._connection = connection
        self._slots = asyncio.Semaphore(concurrency)
        self._session = connection.session()

    @property
    def url(self) -> str:
        """Where the API server is."""
        return self._connection.url

    async def close(self) -> None:
        """Lets its connections go."""
        await self._session.close()

    async def read(self, path: str) -> Object:
        """What the API server says about itself, such as at /version."""
        return await self._call("GET", path)

    async def ping(self) -> None:
        """Returns if the API server answers within a moment, whatever it says."""
        with self._reaching(), suppress(ApiError, PermanentError):
            async with asyncio.timeout(_PING_SECONDS):
                await self._call("GET", "/version")

    async def find(self, kind: ApiKind, namespace: str, name: str) -> Object | None:
        """One object; None where there is none."""
        try:
            return await self._call("GET", kind.path(namespace, name))
        except ApiError as refusal:
            if refusal.missing:
                return None
            raise

    async def pages(
        self, kind: ApiKind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[ListPage]:
        """All objects of a kind, or those selected, page by page."""
        query = _selected(labels, fields) | {"limit": str(_PAGE)}
        more = ""
        while True:
            page = await self._call("GET", kind.path(namespace), query | ({"continue": more} if more else {}))
            yield ListPage(page.get("items") or [], page["metadata"]["resourceVersion"])
            more = page["metadata"].get("continue", "")
            if not more:
                return

    async def list(self, kind: ApiKind, namespace: str = "", *, labels: str = "", fields: str = "") -> ListPage:
        """All objects of a kind, or those selected, at once."""
        items: list[Object] = []
        version = ""
        async for page in self.pages(kind, namespace, labels=labels, fields=fields):
            items += page.items
            version = page.version
        return ListPage(items, version)

    async def watch(
        self, kind: ApiKind, version: str, namespace: str = "", *, fields: str = "", seconds: int = 300
    ) -> AsyncIterator[Event]:
        """What happens to objects of a kind after `version`, for so many seconds. A Refusal with `expired` where the
        server no longer knows so far back."""
        query = _selected("", fields) | {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        path = kind.path(namespace)
        with self._reaching():
            headers = await self._connection.headers()
            async with self._session.get(
                self._connection.url + path, params=query, headers=headers, timeout=_WATCH, **self._connection.options
            ) as response:
                if response.status >= 400:
                    content_of(ApiResponse(response.status, response.headers, await response.read()), f"watch {path}")
                yield Event("OPENED", {})
                async for line in response.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise refusal_of(event["object"], f"watch {path}")
                    yield Event(event["type"], event["object"])

    async def create(self, kind: ApiKind, obj: Object, *, dry_run: bool = False) -> Object:
        """A new object; a Refusal with `conflict` where there is one of its name. What it became."""
        namespace = obj["metadata"].get("namespace", "")
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", kind.path(namespace), query, obj)

    async def replace(self, kind: ApiKind, obj: Object, *, manager: str = FIELD_MANAGER) -> Object:
        """The whole object, by its resourceVersion; what changes is from then on held by `manager`. What it became."""
        return await self._call("PUT", _path(kind, obj), {"fieldManager": manager}, obj)

    async def apply(self, kind: ApiKind, obj: Object, *, force: bool = False) -> Object:
        """The fields in `obj`, by server-side apply: a Refusal with `conflict` where somebody else holds one with
        another value, unless forced. What the object became."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._call("PATCH", _path(kind, obj), query, obj, _APPLY)

    async def merge(self, kind: ApiKind, namespace: str, name: str, change: Object) -> Object:
        """Some fields, by a merge patch; None removes one. What the object became."""
        path = kind.path(namespace, name)
        return await self._call("PATCH", path, {"fieldManager": FIELD_MANAGER}, change, _MERGE)

    async def delete(self, kind: ApiKind, namespace: str, name: str, *, uid: str, version: str = "") -> None:
        """That very object, and as it was at `version` where given. That it is gone already is fine."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._call("DELETE", kind.path(namespace, name), {}, body)
        except ApiError as refusal:
            if not refusal.missing:
                raise

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = _JSON,
    ) -> Object:
        data = None if body is None else orjson.dumps(body)
        async with self._slots:
            with self._reaching():
                headers = await self._connection.headers() | ({"Content-Type": content_type} if data else {})
                async with self._session.request(
                    method,
                    self._connection.url + path,
                    params=query,
                    data=data,
                    headers=headers,
                    timeout=_REQUEST,
                    **self._connection.options,
                ) as response:
                    answer = ApiResponse(response.status, response.headers, await response.read())
        return content_of(answer, f"{method} {path}")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise TransientError(UNREACHABLE, f"{self.url} does not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or type(error).__name__
            raise TransientError(UNREACHABLE, f"{self.url} can't be reached: {why}") from error


def _path(kind: ApiKind, obj: Object) -> str:
    return kind.path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _selected(labels: str, fields: str) -> dict[str, str]:
    return ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})
