"""Writes objects of a cluster directly into etcd: many at once, and with the creation times that they shall have."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

Object = dict[str, Any]
_ISTIO = "/registry/networking.istio.io/{plural}/{namespace}/{name}"
_KEYS = {
    "ServiceEntry": _ISTIO.replace("{plural}", "serviceentries"),
    "VirtualService": _ISTIO.replace("{plural}", "virtualservices"),
    "DestinationRule": _ISTIO.replace("{plural}", "destinationrules"),
    "Sidecar": _ISTIO.replace("{plural}", "sidecars"),
    "WorkloadEntry": _ISTIO.replace("{plural}", "workloadentries"),
    "Service": "/registry/services/specs/{namespace}/{name}",
    "EndpointSlice": "/registry/endpointslices/{namespace}/{name}",
    "ConfigMap": "/registry/configmaps/{namespace}/{name}",
}


def key_in_etcd(obj: Object) -> str:
    """Where the API server keeps an object."""
    meta = obj["metadata"]
    return _KEYS[obj["kind"]].format(namespace=meta["namespace"], name=meta["name"])


class Etcd:
    """Speaks to the JSON gateway at `url`."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def write(self, put: Iterable[Object] = (), delete: Iterable[str] = ()) -> int:
        """Puts objects and deletes keys in one transaction; returns its revision, which is the resourceVersion of what
        was put."""
        puts = {key_in_etcd(obj): obj for obj in put}
        ops = [{"requestDeleteRange": {"key": _coded(key)}} for key in delete if key not in puts]
        ops += [{"requestPut": {"key": _coded(key), "value": _coded(json.dumps(obj))}} for key, obj in puts.items()]
        answer = self._post("/v3/kv/txn", {"success": ops})
        return int(answer["header"]["revision"])

    def objects(self, kind: str) -> dict[str, Object]:
        """The objects of a kind that are stored as JSON, by key."""
        prefix = _KEYS[kind].partition("{")[0]
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self._post("/v3/kv/range", {"key": _coded(prefix), "range_end": _coded(end)}).get("kvs", ())
        values = {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv["value"]) for kv in found}
        return {key: json.loads(value) for key, value in values.items() if value.startswith(b"{")}

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
