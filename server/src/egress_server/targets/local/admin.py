"""Envoy's admin interface.

Envoy gives no feedback on the files it reads: only the admin interface shows whether it accepted them, and where
connections went.
"""

import asyncio
import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from egress_server.targets.local.dial import socket_address

_TIMEOUT_SECONDS = 5.0
_XDS_STATS = r"\.(version_text|update_rejected|update_failure)$|^listener_manager\.total_listeners_warming$"


@dataclass(frozen=True, slots=True)
class XdsState:
    """What Envoy has accepted so far. Keys are kinds of files: `cds`, `lds`, and `rds-PORT`. `rejected` counts the
    updates that it rejected since it started."""

    versions: dict[str, str]
    rejected: dict[str, int]
    warming_listeners: int


class Admin:
    """The admin interface at a unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def get(self, target: str) -> bytes:
        """Fetches a page such as `/clusters?format=json`. Raises OSError if there is no response in time, or its status
        is not 200."""
        return await asyncio.to_thread(self._get, target)

    async def xds_state(self) -> XdsState:
        """Which files Envoy has accepted. Raises OSError as `get` does."""
        page = orjson.loads(await self.get(f"/stats?format=json&filter={_XDS_STATS}"))
        return _xds_state({item["name"]: item["value"] for item in page["stats"] if "name" in item})

    def _get(self, target: str) -> bytes:
        connection = http.client.HTTPConnection("envoy")
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(_TIMEOUT_SECONDS)
            with socket_address(self._path) as address:
                connection.sock.connect(address)
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
        except http.client.HTTPException as error:
            raise OSError(f"invalid response to {target}: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise OSError(f"{target} returned {response.status}")
        return body


def _xds_state(stats: dict[str, Any]) -> XdsState:
    versions: dict[str, str] = {}
    rejected: dict[str, int] = {}
    for name, value in stats.items():
        owner, _, stat = name.rpartition(".")
        if stat == "total_listeners_warming":
            continue
        kind = _kind(owner)
        if stat == "version_text":
            versions[kind] = value
        else:
            rejected[kind] = rejected.get(kind, 0) + value
    warming = int(stats.get("listener_manager.total_listeners_warming", 0))
    return XdsState(versions=versions, rejected=rejected, warming_listeners=warming)


def _kind(owner: str) -> str:
    """`cluster_manager.cds` to `cds`, `http.outbound_0.0.0.0_80.rds.80` to `rds-80`."""
    head, _, last = owner.rpartition(".")
    return f"rds-{last}" if head.endswith(".rds") else last
