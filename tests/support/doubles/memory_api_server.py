"""An API server in memory: objects of a few kinds with versions, field managers, watches and a little validation.

The kubernetes target passes tests/contract/target on it, as it does on the real one in tests/mesh. Server-side apply is
not implemented, and requests for it fail: what depends on field ownership is tested on the real one only.
"""

import asyncio
import itertools
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.support.doubles.api_server import ApiServer, Object

ISTIO = "networking.istio.io"
_SERVED = {
    f"/apis/{ISTIO}/v1": ("serviceentries", "virtualservices", "destinationrules", "sidecars"),
    "/apis/networking.k8s.io/v1": ("servicecidrs",),
}
_PATH = re.compile(
    r"(?P<group>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?"
)
_CLUSTER_WIDE = ("namespaces", "servicecidrs")
_RESOLUTIONS = ("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS")
_CONTENT = ("spec", "data")
Key = tuple[str, str, str]
"""The path of all objects of a kind, namespace, name."""


class StatusError(Exception):
    """A request that fails, with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class MemoryApiServer(ApiServer):
    """`objects` is what it stores."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__()
        self.objects: dict[Key, Object] = {}
        self._down = False
        self._connections: set[asyncio.Transport] = set()
        self._history: list[tuple[int, str, Key, Object]] = []
        self._condition = asyncio.Condition()
        self._uids = itertools.count(1)
        for namespace in namespaces:
            key = "/api/v1/namespaces", "", namespace
            self._store("ADDED", key, self._created(key, {"metadata": {"name": namespace}}, "setup"))

    async def take_down(self) -> None:
        """From now on connections break."""
        self._down = True
        for transport in tuple(self._connections):
            transport.abort()

    async def bring_back(self) -> None:
        """From now on requests are served again."""
        self._down = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """See ApiServer."""
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        if self._down:
            transport.abort()
        self._connections.add(transport)
        try:
            return await super().handle(request)
        finally:
            self._connections.discard(transport)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """See ApiServer."""
        if request.path in _SERVED:
            return web.json_response({"resources": [{"name": name} for name in _SERVED[request.path]]})
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.36.0"})
        body = await request.json() if request.can_read_body else {}
        method = request.method if "apply-patch" not in request.content_type else "APPLY"
        try:
            return web.json_response(await self.request(method, request.path, body, **request.query))
        except StatusError as error:
            status = {"kind": "Status", "code": error.code, "reason": error.reason, "message": str(error)}
            return web.json_response(status, status=error.code)

    async def request(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """Serves a request that is not a watch. Raises StatusError."""
        match = _PATH.fullmatch(path)
        if match is None or (match["group"].startswith("/apis/") and not self._is_served(match)):
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        key = f"{match['group']}/{match['plural']}", match["namespace"] or "", match["name"] or ""
        if method == "GET":
            return self._get(key) if key[2] else self._select(key, query)
        written = self._write(method, key, body or {}, query.get("fieldManager", "unknown"))
        async with self._condition:
            self._condition.notify_all()
        return written

    def _write(self, method: str, key: Key, body: Object, manager: str) -> Object:
        match method:
            case "POST":
                return self._post((*key[:2], body["metadata"]["name"]), body, manager)
            case "PUT":
                return self._put(key, body, manager)
            case "PATCH":
                return self._put(key, _merged(self._get(key), body), manager)
            case "DELETE":
                return self._delete(key, body.get("preconditions") or {})
        raise NotImplementedError(method)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """What has happened after a version, and then what happens."""
        match = _PATH.fullmatch(request.path)
        assert match is not None
        collection, namespace = f"{match['group']}/{match['plural']}", match["namespace"] or ""
        name = request.query.get("fieldSelector", "").removeprefix("metadata.name=")
        response = web.StreamResponse()
        await response.prepare(request)
        sent = int(request.query["resourceVersion"])
        while True:
            for version, event, key, obj in self._history:
                wanted = key[0] == collection and namespace in ("", key[1]) and name in ("", key[2])
                if version > sent and wanted:
                    await response.write(json.dumps({"type": event, "object": obj}).encode() + b"\n")
            sent = self.version
            async with self._condition:
                if self.version == sent:
                    await self._condition.wait()

    def _is_served(self, match: re.Match[str]) -> bool:
        kinds = _SERVED.get(match["group"], ())
        return match["plural"] in kinds or match["group"] == "/apis/apps/v1"

    def _get(self, key: Key) -> Object:
        if key not in self.objects:
            raise StatusError(404, "NotFound", f'{key[0].rpartition("/")[2]} "{key[2]}" not found')
        return self.objects[key]

    def _select(self, key: Key, query: Mapping[str, str]) -> Object:
        labels = dict(pair.split("=") for pair in query.get("labelSelector", "").split(",") if pair)
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        items = [
            obj
            for (collection, namespace, its_name), obj in self.objects.items()
            if collection == key[0]
            and key[1] in ("", namespace)
            and name in ("", its_name)
            and labels.items() <= (obj["metadata"].get("labels") or {}).items()
        ]
        return {"items": items, "metadata": {"resourceVersion": str(self.version)}}

    def _post(self, key: Key, body: Object, manager: str) -> Object:
        collection, namespace, name = key
        if ("/api/v1/namespaces", "", namespace) not in self.objects and not collection.endswith(_CLUSTER_WIDE):
            raise StatusError(404, "NotFound", f'namespaces "{namespace}" not found')
        if key in self.objects:
            raise StatusError(409, "AlreadyExists", f'{collection.rpartition("/")[2]} "{name}" already exists')
        _validate(collection, body)
        return self._store("ADDED", key, self._created(key, body, manager))

    def _created(self, key: Key, body: Object, manager: str) -> Object:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        metadata = {
            **body["metadata"],
            "uid": f"uid-{next(self._uids)}",
            "creationTimestamp": now,
            "managedFields": [_entry(manager, _fields(body))],
            **({"namespace": key[1]} if key[1] else {}),
        }
        return {**body, "metadata": metadata}

    def _put(self, key: Key, body: Object, manager: str) -> Object:
        current = self._get(key)
        sent, known = body["metadata"], current["metadata"]
        for name in ("resourceVersion", "uid"):
            if sent.get(name) not in (None, known[name]):
                raise StatusError(409, "Conflict", "the object has been modified; please apply your changes")
        _validate(key[0], body)
        # A list with one empty entry clears it, as on the real one; an empty list changes nothing.
        managed = [entry for entry in sent.get("managedFields") or known["managedFields"] if entry]
        changed = _fields(body, current)
        if changed:
            managed = _owned(managed, manager, changed)
        fixed = {name: known[name] for name in ("uid", "creationTimestamp")}
        updated = {**body, "metadata": {**sent, **fixed, "managedFields": managed}}
        updated["metadata"]["resourceVersion"] = known["resourceVersion"]
        return current if updated == current else self._store("MODIFIED", key, updated)

    def _delete(self, key: Key, preconditions: Object) -> Object:
        metadata = self._get(key)["metadata"]
        if any(metadata[name] != value for name, value in preconditions.items()):
            raise StatusError(409, "Conflict", "the preconditions don't hold")
        self._store("DELETED", key, self.objects.pop(key))
        return {"kind": "Status", "status": "Success"}

    def _store(self, event: str, key: Key, obj: Object) -> Object:
        self.version += 1
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        if event != "DELETED":
            self.objects[key] = stored
        self._history.append((self.version, event, key, stored))
        return stored


def _validate(collection: str, body: Object) -> None:
    """What Istio's schema says of the one field that tests get wrong."""
    resolution = body.get("spec", {}).get("resolution", "NONE")
    if collection.endswith("serviceentries") and resolution not in _RESOLUTIONS:
        raise StatusError(422, "Invalid", f'spec.resolution: Unsupported value: "{resolution}"')


def _fields(body: Object, before: Object | None = None) -> set[str]:
    """The fields of the content that differ from before, at its first level."""
    changed: set[str] = set()
    for part in _CONTENT:
        new, old = body.get(part) or {}, (before or {}).get(part) or {}
        changed |= {f"{part}.{name}" for name in new.keys() | old.keys() if new.get(name) != old.get(name)}
    metadata, former = body["metadata"], (before or {"metadata": {}})["metadata"]
    for part in ("labels", "annotations"):
        if (metadata.get(part) or {}) != (former.get(part) or {}):
            changed.add(f"metadata.{part}")
    return changed


def _entry(manager: str, fields: set[str]) -> Object:
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        part, _, name = path.partition(".")
        tree.setdefault(f"f:{part}", {})[f"f:{name}"] = {}
    return {"manager": manager, "operation": "Update", "time": datetime.now(UTC).isoformat(), "fieldsV1": tree}


def _owned(managed: list[Object], manager: str, fields: set[str]) -> list[Object]:
    """With these fields of that manager, and of no other."""
    rest = []
    for entry in managed:
        paths = {f"{part[2:]}.{name[2:]}" for part, names in entry["fieldsV1"].items() for name in names}
        own = paths - fields
        if entry["manager"] == manager:
            fields = fields | own
        elif own:
            rest.append({**_entry(entry["manager"], own), "time": entry["time"]})
    return [*rest, _entry(manager, fields)]


def _merged(current: Any, change: Any) -> Any:
    """RFC 7396."""
    if not isinstance(change, dict):
        return change
    base = current if isinstance(current, dict) else {}
    merged = {name: value for name, value in base.items() if name not in change}
    return merged | {name: _merged(base.get(name), value) for name, value in change.items() if value is not None}
