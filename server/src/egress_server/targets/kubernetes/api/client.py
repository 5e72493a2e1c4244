"""A thin client of one API server: JSON bytes out, plain dicts in, bounded concurrency, errors that say what to do
next.

The generated client wraps each object in a class and has none for Istio's kinds; an applier that moves thousands of
small objects needs neither.
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
from egress_server.targets.kubernetes.api.errors import ApiError, ApiResponse, error_of_status, parse_response
from egress_server.targets.kubernetes.api.kinds import ApiKind

Object = dict[str, Any]

FIELD_MANAGER = "mesh-egress"
"""Our name in the managedFields of objects."""
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
    """One event of a watch: OPENED (our own: the server has begun to respond), ADDED, MODIFIED, DELETED or BOOKMARK,
    and its object."""

    type: str
    object: Object


class ApiClient:
    """Sends requests to the API server at `connection`, at most `concurrency` at a time, not counting watches.

    Every call raises ApiError if the server rejects the request, TransientError if it can't be reached or asks us to
    back off, PermanentError if it rejects our credentials.
    """

    def __init__(self, connection: ApiConnection, concurrency: int = 16) -> None:
        self._connection = connection
        self._slots = asyncio.Semaphore(concurrency)
        self._session = connection.session()

    @property
    def url(self) -> str:
        """The address of the API server."""
        return self._connection.url

    async def close(self) -> None:
        """Closes its connections."""
        await self._session.close()

    async def read(self, path: str) -> Object:
        """Reads a path that is not an object, such as /version."""
        return await self._call("GET", path)

    async def ping(self) -> None:
        """Returns if the API server responds within a few seconds, whatever the response."""
        with self._connection_errors(), suppress(ApiError, PermanentError):
            async with asyncio.timeout(_PING_SECONDS):
                await self._call("GET", "/version")

    async def find(self, kind: ApiKind, namespace: str, name: str) -> Object | None:
        """One object; None if it does not exist."""
        try:
            return await self._call("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.missing:
                return None
            raise

    async def pages(
        self, kind: ApiKind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> AsyncIterator[ListPage]:
        """All objects of a kind, or those selected, page by page."""
        query = _selectors(labels, fields) | {"limit": str(_PAGE)}
        more = ""
        while True:
            page = await self._call("GET", kind.path(namespace), query | ({"continue": more} if more else {}))
            yield ListPage(page.get("items") or [], page["metadata"]["resourceVersion"])
            more = page["metadata"].get("continue", "")
            if not more:
                return

    async def list(self, kind: ApiKind, namespace: str = "", *, labels: str = "", fields: str = "") -> ListPage:
        """All objects of a kind, or those selected, in one list."""
        items: list[Object] = []
        version = ""
        async for page in self.pages(kind, namespace, labels=labels, fields=fields):
            items += page.items
            version = page.version
        return ListPage(items, version)

    async def watch(
        self, kind: ApiKind, version: str, namespace: str = "", *, fields: str = "", seconds: int = 300
    ) -> AsyncIterator[Event]:
        """Changes to objects of a kind after `version`, for so many seconds. Raises ApiError with `expired` if the
        server no longer has that version."""
        query = _selectors("", fields) | {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        path = kind.path(namespace)
        with self._connection_errors():
            headers = await self._connection.headers()
            async with self._session.get(
                self._connection.url + path, params=query, headers=headers, timeout=_WATCH, **self._connection.options
            ) as response:
                if response.status >= 400:
                    parse_response(
                        ApiResponse(response.status, response.headers, await response.read()), f"watch {path}"
                    )
                yield Event("OPENED", {})
                async for line in response.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise error_of_status(event["object"], f"watch {path}")
                    yield Event(event["type"], event["object"])

    async def create(self, kind: ApiKind, obj: Object, *, dry_run: bool = False) -> Object:
        """Creates an object and returns it as stored. Raises ApiError with `conflict` if one of this name exists."""
        namespace = obj["metadata"].get("namespace", "")
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return await self._call("POST", kind.path(namespace), query, obj)

    async def replace(self, kind: ApiKind, obj: Object, *, manager: str = FIELD_MANAGER) -> Object:
        """Replaces the whole object at its resourceVersion and returns it as stored; `manager` owns the fields that
        change."""
        return await self._call("PUT", _path(kind, obj), {"fieldManager": manager}, obj)

    async def apply(self, kind: ApiKind, obj: Object, *, force: bool = False) -> Object:
        """Server-side apply of the fields in `obj`; returns the object as stored. Raises ApiError with `conflict` if
        another manager owns one of them with a different value, unless forced."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._call("PATCH", _path(kind, obj), query, obj, _APPLY)

    async def merge(self, kind: ApiKind, namespace: str, name: str, change: Object) -> Object:
        """Changes some fields by a merge patch, in which None removes one; returns the object as stored."""
        path = kind.path(namespace, name)
        return await self._call("PATCH", path, {"fieldManager": FIELD_MANAGER}, change, _MERGE)

    async def delete(self, kind: ApiKind, namespace: str, name: str, *, uid: str, version: str = "") -> None:
        """Deletes exactly this object, and only at `version` if given. Succeeds if it is already gone."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._call("DELETE", kind.path(namespace, name), {}, body)
        except ApiError as error:
            if not error.missing:
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
            with self._connection_errors():
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
        return parse_response(answer, f"{method} {path}")

    @contextmanager
    def _connection_errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise TransientError(UNREACHABLE, f"{self.url} did not respond in time") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise TransientError(UNREACHABLE, f"{self.url} can't be reached: {reason}") from error


def _path(kind: ApiKind, obj: Object) -> str:
    return kind.path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})
