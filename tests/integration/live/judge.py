"""A real Envoy with a given configuration, whose clusters are canaries that answer with the cluster's name."""

import asyncio
import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, MemoryBIO, SSLContext, SSLWantReadError
from typing import Any

import h11

from egress_server.domain.live.clusters import cluster_type
from egress_server.domain.live.config import SidecarConfig
from egress_server.domain.live.decision import Question
from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.envoy import Envoy, envoy_binary
from egress_server.targets.local.xds.compile import SOCKET, XDS_FOLDER, XdsFiles, routes_file, xds_file
from tests.support.waiting import until

Json = dict[str, Any]
_TYPE = "type.googleapis.com/envoy.config"
_PROXY_PROTOCOL = {
    "name": "envoy.filters.listener.proxy_protocol",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
}
_HANGS_SECONDS = 5.0
_STILL_WAITING = 5  # polls
# It resolves the host of a request for clusters that are canaries here.
_DROPPED = "envoy.filters.http.dynamic_forward_proxy"


@dataclass
class Canaries:
    """One server for each cluster, on a unix socket. `connected` counts connections by cluster."""

    folder: Path
    connected: dict[str, int] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    servers: list[asyncio.Server] = field(default_factory=list)

    async def path(self, cluster: str) -> str:
        """The socket of a cluster's canary, relative to `folder`."""
        if cluster not in self.paths:
            self.paths[cluster] = f"c{len(self.paths)}"
            path = self.folder / self.paths[cluster]
            self.servers.append(await asyncio.start_unix_server(partial(self._answer, cluster), path))
        return self.paths[cluster]

    async def _answer(self, cluster: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected[cluster] = self.connected.get(cluster, 0) + 1
        with suppress(ConnectionError):
            received = await reader.read(65536)
            if received[:1].isupper():  # a request; TLS and the bytes of the tests begin otherwise
                name = cluster.encode()
                head = b"HTTP/1.1 200 OK\r\nx-canary: %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % name
                writer.write(head)
            elif received:
                writer.write(b"canary %b\n" % cluster.encode())
            await writer.drain()
            writer.close()


@dataclass(frozen=True)
class Observed:
    """What a client sees: the cluster that it reached, else the status of the sidecar's own answer; `waits` if the
    sidecar waits for its first bytes; nothing of this if the connection was closed."""

    cluster: str = ""
    status: int = 0
    waits: bool = False


class Judge:
    """Shows what Envoy does. Start it with `load`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._envoy = Envoy(envoy_binary(), folder, name="judge")
        self._canaries = Canaries(folder)
        self._started = False

    async def load(self, config: SidecarConfig) -> None:
        """Replaces Envoy's configuration by this one."""
        files = await self._files(config)
        if self._started:
            await self._envoy.update(files)
        else:
            await self._envoy.start(files)
            self._started = True

    async def stop(self) -> None:
        """Stops Envoy and the canaries."""
        await self._envoy.stop()
        for server in self._canaries.servers:
            server.close()

    async def ask(self, question: Question) -> Observed:
        """Makes the connection."""
        before = dict(self._canaries.connected)
        port = question.destination.port
        connection = await open_connection(self._envoy.address, (question.address, port), (question.address, port))
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            to = question.destination
            if to.scheme == "tcp" and not question.speaks_first:
                return await self._silent(before, reader)
            with suppress(ConnectionError):  # it may be cut before
                writer.write(_first_bytes(question))
                await writer.drain()
            async with asyncio.timeout(_HANGS_SECONDS):
                return _observed(await _read_all(reader), http=to.scheme == "http")
        finally:
            writer.close()

    async def _silent(self, before: dict[str, int], reader: asyncio.StreamReader) -> Observed:
        """A client that sends nothing: it is connected, waits, or is cut."""
        found: list[Observed] = []
        polls = 0

        async def decided() -> bool:
            nonlocal polls
            counts = self._canaries.connected
            found.extend(Observed(name) for name in counts if counts[name] > before.get(name, 0))
            # A connection that does not wait is counted there for an instant, too.
            polls = polls + 1 if await self._waiting() else 0
            if not found and polls >= _STILL_WAITING:
                found.append(Observed(waits=True))
            if not found and reader.at_eof():
                found.append(Observed())
            return bool(found)

        await until(decided)
        return found[0]

    async def _waiting(self) -> bool:
        """Whether a connection is held by listener filters, or by a connection manager."""
        page = await self._envoy.admin.get("/stats?filter=downstream_pre_cx_active%7Chttp.*downstream_cx_active$")
        return any(int(line.rpartition(b" ")[2]) for line in page.splitlines())

    async def _files(self, config: SidecarConfig) -> XdsFiles:
        clusters = [await self._canary(cluster) for cluster in config.clusters.values()]
        tables = {name: f"t{at}" for at, name in enumerate(sorted(config.routes))}
        routes = {
            tables[name]: xds_file([_route_table(table, tables[name])]) for name, table in sorted(config.routes.items())
        }
        listeners = [_listener(each, tables) for each in config.listeners]
        return XdsFiles(xds_file(clusters), xds_file(listeners), routes)

    async def _canary(self, cluster: Any) -> Json:
        """A cluster of the same name that leads to its canary, or nowhere if it has no endpoint."""
        name = str(cluster["name"])
        written: Json = {"@type": f"{_TYPE}.cluster.v3.Cluster", "name": name, "type": "STATIC"}
        if name == "BlackHoleCluster" or (
            _is_static(cluster) and not cluster.get("load_assignment", {}).get("endpoints")
        ):
            return written
        endpoint = {"endpoint": {"address": {"pipe": {"path": await self._canaries.path(name)}}}}
        return {**written, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}


def _is_static(cluster: Json) -> bool:
    return cluster_type(cluster) == "STATIC"


def _listener(listener: Any, tables: dict[str, str]) -> Json:
    written: Json = {"@type": f"{_TYPE}.listener.v3.Listener", **copy.deepcopy(dict(listener))}
    if written.get("use_original_dst"):
        written["address"] = {"pipe": {"path": SOCKET}}
        written["listener_filters"] = [_PROXY_PROTOCOL, *written.get("listener_filters", ())]
        written.pop("additional_addresses", None)
    for manager in _managers(written):
        manager["http_filters"] = [each for each in manager["http_filters"] if each["name"] != _DROPPED]
        if "rds" in manager:
            name = tables[manager["rds"]["route_config_name"]]
            source = {"path_config_source": {"path": f"{XDS_FOLDER}/{routes_file(name)}"}, "resource_api_version": "V3"}
            manager["rds"] = {"route_config_name": name, "config_source": source}
        for virtual_host in manager.get("route_config", {}).get("virtual_hosts", ()):
            _hasten(virtual_host)
    return written


def _managers(listener: Json) -> Iterator[Json]:
    default = [listener["default_filter_chain"]] if "default_filter_chain" in listener else []
    for chain in (*listener.get("filter_chains", ()), *default):
        for each in chain["filters"]:
            if each["name"].endswith("http_connection_manager"):
                yield each["typed_config"]


def _route_table(table: Any, name: str) -> Json:
    written = {"@type": f"{_TYPE}.route.v3.RouteConfiguration", **copy.deepcopy(dict(table)), "name": name}
    for virtual_host in written.get("virtual_hosts", ()):
        _hasten(virtual_host)
    return written


def _hasten(virtual_host: Json) -> None:
    """Delays are made short: whether a request is delayed can't be seen here."""
    for route in virtual_host.get("routes", ()):
        delay = route.get("typed_per_filter_config", {}).get("envoy.filters.http.fault", {}).get("delay")
        if delay:
            delay["fixed_delay"] = "0.001s"


def _first_bytes(question: Question) -> bytes:
    to = question.destination
    if to.scheme == "tcp":
        return b"\x00\x01 hello"
    if to.speaks_tls:
        context = SSLContext(PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if question.alpn:
            context.set_alpn_protocols(list(question.alpn))
        incoming, outgoing = MemoryBIO(), MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname=to.host.rstrip("."))
        with suppress(SSLWantReadError):
            client.do_handshake()
        return outgoing.read()
    headers = {**question.headers, "host": question.authority, "connection": "close"}
    message = h11.Request(method=question.method, target=to.path, headers=list(headers.items()))
    return h11.Connection(h11.CLIENT).send(message) or b""


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        received = b""
        while chunk := await reader.read(65536):
            received += chunk
            # Envoy delays the end of a connection whose request it has answered itself.
            if b"\r\n\r\n" in received or (received.startswith(b"canary") and received.endswith(b"\n")):
                break
        return received
    return b""


def _observed(received: bytes, *, http: bool) -> Observed:
    if received.startswith(b"canary "):
        return Observed(received.split()[1].decode())
    if not received.startswith(b"HTTP/1.1 "):
        return Observed()
    lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    status = int(received.split()[1]) if http else 0  # a client of another protocol can't read it
    if "x-canary" in headers:
        return Observed(headers["x-canary"])
    return Observed(status=status)
