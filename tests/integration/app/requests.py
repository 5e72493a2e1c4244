"""Requests in proto3 JSON with unique names, and common helpers."""

from itertools import count
from typing import Any

from tests.integration.app.transports import Answer, Json, Transport

MESH = "meshes/default"
_ids = count()


def entry(id_: str = "", **fields: Any) -> Json:
    """An upsert of an entry for HTTP on ID.example.com."""
    id_ = id_ or f"entry-{next(_ids)}"
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    return {
        "parent": f"{MESH}/namespaces/prod",
        "serviceEntryId": id_,
        "serviceEntry": {"hosts": [f"{id_}.example.com"], "ports": [port], "resolution": "DNS", **fields},
    }


def policy(**fields: Any) -> Json:
    """Sets REGISTRY_ONLY for a namespace."""
    return {
        "parent": MESH,
        "outboundPolicy": {"mode": "REGISTRY_ONLY", "scope": {"namespace": f"ns-{next(_ids)}"}, **fields},
    }


def cluster(**fields: Any) -> Json:
    """Registers a local cluster, which gets an Envoy."""
    return {"parent": MESH, "clusterId": f"cluster-{next(_ids)}", "cluster": {"local": {}, **fields}}


def ok(answer: Answer) -> Json:
    """The reply of a call that must succeed."""
    assert answer.code == 0, str(answer)
    return answer.body


def head(transport: Transport) -> int:
    """The newest revision."""
    return int(ok(transport.call("ListChanges", {"parent": MESH, "pageSize": 1}))["changes"][0]["revision"])


def delete(transport: Transport, body: Json) -> None:
    """Deletes what a reply says was set."""
    for kind, rpc in (("serviceEntry", "DeleteServiceEntry"), ("outboundPolicy", "DeleteOutboundPolicy")):
        if kind in body:
            ok(transport.call(rpc, {"name": body[kind]["name"]}))
