"""Evidence from the sidecar's admin interface: its identity, which upstreams an attempt used, and by which route."""

import asyncio
import http.client
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from egress_server.agents.sidecar.counters import Counters, Host, changes_between, parse
from egress_server.agents.sidecar.live_config import (
    LiveRoute,
    listeners_page,
    live_route,
    sees_requests,
    tls_clusters,
)
from egress_server.domain.probe.clusters import UNREGISTERED_CLUSTERS, serves, shares_port
from egress_server.domain.probe.evidence import Destination, TlsCluster, UpstreamDelta

_TIMEOUT_SECONDS = 5.0


class AdminPages:
    """Pages of the admin interface at `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def get(self, target: str) -> bytes:
        """A page such as `/clusters`. Raises OSError if there is no response in time, or its status is not 200."""
        return await asyncio.to_thread(self._get, target)

    def _get(self, target: str) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        try:
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


Fetch = Callable[[str], Awaitable[bytes]]
"""Fetches a page of Envoy's admin interface, such as `/clusters`; raises OSError."""

# A worker announces a new host of PassthroughCluster to the main thread, which serves the admin pages, by a message
# that may arrive after the response did. If nothing changed, the page is read once more.
_SETTLE_SECONDS = 0.05

# The API server is a service in every Kubernetes mesh, so the sidecar knows its real addresses.
_API_SERVER = "outbound|443||kubernetes.default.svc."


@dataclass(frozen=True, slots=True)
class CounterChanges:
    """What an attempt changed, and which clusters of its destination are warming or (in `upstreams`, with an empty
    address) have no host. `hosts` are those whose counters changed, `unknown` the clusters of its route that don't
    exist."""

    upstreams: tuple[UpstreamDelta, ...]
    warming: tuple[str, ...]
    hosts: tuple[Host, ...]
    unknown: tuple[str, ...] = ()


class CounterWatch:
    """The counters before and after one attempt, and the route that it takes."""

    def __init__(self, fetch: Fetch, destination: Destination, route: LiveRoute, before: Counters) -> None:
        self.route = route
        self._fetch = fetch
        self._destination = destination
        self._before = before

    def upstreams(self) -> Sequence[Host]:
        """Where the sidecar would connect for the destination, by its Host or server name, if it is registered. That
        need not be the address that the agent dials."""
        return [host for host in self._before.hosts if self.may_serve(host.cluster)]

    @property
    def api_server(self) -> Collection[str]:
        """The addresses of the cluster's API server, as far as the sidecar knows them."""
        return {host.address for host in self._before.hosts if host.cluster.startswith(_API_SERVER)}

    def may_serve(self, cluster: str) -> bool:
        """Whether an Envoy cluster belongs to a registered service that may get the connection."""
        return serves(cluster, self._destination) or cluster in self.route.clusters

    async def has_connected(self) -> bool:
        """Whether an upstream connection for this port has been made, as far as is known for us. Raises OSError."""
        deltas = changes_between(self._before, await self._read())
        return any(
            delta.rq_total and (host.cluster in UNREGISTERED_CLUSTERS or shares_port(host.cluster, self._destination))
            for host, delta in deltas.items()
        )

    async def finish(self) -> CounterChanges:
        """Reads again and compares. Raises OSError if the sidecar does not respond."""
        after = await self._read()
        if not self._relevant(deltas := changes_between(self._before, after)):
            await asyncio.sleep(_SETTLE_SECONDS)
            after = await self._read()
            deltas = changes_between(self._before, after)
        if self._relevant(deltas):
            return CounterChanges(tuple(deltas.values()), (), tuple(deltas))
        empty = await self._without_addresses(after)
        warming = await self._clusters("dynamic_warming_clusters")
        upstreams = (*deltas.values(), *map(UpstreamDelta, empty, [""] * len(empty)))
        unknown = tuple(name for name in self.route.clusters if not after.has(name))
        return CounterChanges(upstreams, tuple(warming), tuple(deltas), unknown)

    async def tls_clusters(self, changes: CounterChanges) -> tuple[TlsCluster, ...]:
        """Those of the registered services that the attempt used to which the sidecar starts TLS. Raises OSError."""
        used = sorted({u.cluster for u in changes.upstreams if u.moved and self.may_serve(u.cluster)})
        if not used:
            return ()
        names = quote(f"^({'|'.join(map(re.escape, used))})$")
        fields = "cluster.name,cluster.transport_socket,cluster.metadata"
        page = await self._fetch(f"/config_dump?resource=dynamic_active_clusters&mask={fields}&name_regex={names}")
        try:
            return tls_clusters(page)
        except ValueError as error:
            raise OSError(f"the sidecar's clusters can't be read: {error}") from error

    async def _read(self) -> Counters:
        return await _read_counters(self._fetch, self._destination, self.route)

    def _relevant(self, deltas: dict[Host, UpstreamDelta]) -> bool:
        return any(host.cluster in UNREGISTERED_CLUSTERS or self.may_serve(host.cluster) for host in deltas)

    async def _without_addresses(self, counters: Counters) -> list[str]:
        """Clusters of the destination that should have a host by now. One that uses the connection's own address has
        hosts only while it is used."""
        listed = sorted(name for name in counters.without_hosts if serves(name, self._destination))
        if not listed:
            return []
        types = await self._clusters("dynamic_active_clusters")
        return [name for name in listed if types.get(name, "ORIGINAL_DST") != "ORIGINAL_DST"]

    async def _clusters(self, resource: str) -> dict[str, str]:
        """The destination's clusters in a part of the configuration: types by name."""
        names = quote(f"^{_clusters_of(self._destination)}$")
        page = await self._fetch(f"/config_dump?resource={resource}&mask=cluster.name,cluster.type&name_regex={names}")
        try:
            found = [item["cluster"] for item in orjson.loads(page).get("configs", ())]
            return {cluster["name"]: str(cluster.get("type", "")) for cluster in found}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise OSError(f"the sidecar's configuration can't be read: {error!r}") from error


class EnvoySidecar:
    """The sidecar whose evidence counts."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def watch(
        self, destination: Destination, address: str, headers: Mapping[str, str] | None = None
    ) -> CounterWatch:
        """Begins to watch a connection that dials `address`, and a request with these headers (by lower-case name) if
        one is sent.

        Raises OSError if the sidecar does not respond.
        """
        route = LiveRoute()
        if destination.scheme == "http" and await self._sees_requests(address, destination.port):
            route = await self._live_route(destination, headers or {})
        before = await _read_counters(self._fetch, destination, route)
        return CounterWatch(self._fetch, destination, route, before)

    async def _sees_requests(self, address: str, port: int) -> bool:
        try:
            return sees_requests(await self._fetch(listeners_page(address, port)), address, port)
        except ValueError as error:
            raise OSError(f"the sidecar's listeners can't be read: {error}") from error

    async def _live_route(self, destination: Destination, headers: Mapping[str, str]) -> LiveRoute:
        # Istio names the routes of a port after the port, or after SERVICE:PORT.
        names = quote(rf"^(.*:)?{destination.port}$")
        page = await self._fetch(f"/config_dump?resource=dynamic_route_configs&name_regex={names}")
        try:
            return live_route(page, destination, headers)
        except ValueError as error:
            raise OSError(f"the sidecar's routes can't be read: {error}") from error


async def _read_counters(fetch: Fetch, destination: Destination, route: LiveRoute) -> Counters:
    """The counters of what may serve a connection to `destination`; raises OSError. If no route decides, any service on
    the port may: a TCP one without addresses gets it, whatever the host."""
    own = _clusters_of(destination) if route.found else rf"outbound\|{destination.port}\|.*"
    routed_to = map(re.escape, route.clusters)
    names = quote(f"^({'|'.join((*sorted(UNREGISTERED_CLUSTERS), own, *routed_to))})$|^{re.escape(_API_SERVER)}")
    try:
        return parse(await fetch(f"/clusters?format=json&filter={names}"))
    except ValueError as error:
        raise OSError(f"the sidecar's list of clusters can't be read: {error}") from error


def _clusters_of(destination: Destination) -> str:
    """A regular expression for the clusters that serve a destination, as `serves` defines it."""
    host = destination.host.rstrip(".")
    labels = host.split(".")
    wildcards = (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))
    hosts = "|".join(map(re.escape, (host, *wildcards, "*")))
    return rf"outbound\|{destination.port}\|[^|]*\|({hosts})"


@dataclass(frozen=True, slots=True)
class SidecarNode:
    """A sidecar that is ready. Texts are empty if it does not say.

    Istio gives every sidecar the name, namespace and labels of its pod to send to istiod; policy is selected by the
    same, so the agent needs no notice.
    """

    pod: str = ""
    namespace: str = ""
    cluster: str = ""
    interception: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def parse_node(page: bytes) -> SidecarNode:
    """The sidecar of Envoy's page `/server_info`. Raises OSError if it is not ready yet, or the page is invalid."""
    try:
        info = orjson.loads(page)
        state, node = info["state"], info.get("node", {})
        metadata = node.get("metadata", {})
        labels = {str(key): str(value) for key, value in metadata.get("LABELS", {}).items()}
        parts = str(node.get("id", "")).split("~")  # sidecar~ADDRESS~POD.NAMESPACE~DOMAIN
        pod, _, namespace = parts[2].rpartition(".") if len(parts) == 4 else ("", "", "")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OSError(f"the sidecar's /server_info can't be read: {error!r}") from error
    if state != "LIVE":
        raise OSError(f"the sidecar is {state}, not LIVE")
    return SidecarNode(
        pod=pod,
        namespace=str(metadata.get("NAMESPACE") or namespace),
        cluster=str(metadata.get("CLUSTER_ID", "")),
        interception=str(metadata.get("INTERCEPTION_MODE", "")),
        labels=labels,
    )
