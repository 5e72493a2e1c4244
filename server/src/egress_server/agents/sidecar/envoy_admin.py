"""Evidence from the sidecar's admin interface: its identity, which upstreams an attempt used, and by which route."""

import asyncio
import http.client
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from egress_server.agents.sidecar.config_reader import Fetch, read_live_state
from egress_server.agents.sidecar.counters import Counters, Host, changes_between, parse
from egress_server.agents.sidecar.live_route import LiveRoute, live_route
from egress_server.agents.sidecar.patterns import SHARED_PATTERN, host_pattern, name_pattern, port_pattern
from egress_server.domain.live.decision import Question
from egress_server.domain.probe.clusters import UNREGISTERED_CLUSTERS, serves, shares_port
from egress_server.domain.probe.evidence import Destination, UpstreamDelta

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


# A worker announces a new host of PassthroughCluster to the main thread, which serves the admin pages, by a message
# that may arrive after the response did. If nothing changed, the page is read once more.
_SETTLE_SECONDS = 0.05

# The API server is a service in every Kubernetes mesh, so the sidecar knows its real addresses.
_API_SERVER = "outbound|443||kubernetes.default.svc."


@dataclass(frozen=True, slots=True)
class CounterChanges:
    """What an attempt changed. `upstreams` are the hosts whose counters changed (as are `hosts`) and, if none of the
    destination's did, its clusters without a host, with an empty address. `route` is the one that the attempt took."""

    upstreams: tuple[UpstreamDelta, ...]
    hosts: tuple[Host, ...]
    route: LiveRoute


class CounterWatch:
    """The counters before and after one attempt, and the route that it takes."""

    def __init__(self, fetch: Fetch, question: Question, route: LiveRoute, before: Counters) -> None:
        self.route = route
        self._fetch = fetch
        self._question = question
        self._destination = question.destination
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
            return CounterChanges(tuple(deltas.values()), tuple(deltas), self.route)
        # What was warming before may have addresses now, and the other way round.
        state = live_route((await read_live_state(self._fetch, self._question)).decision)
        route = replace(self.route, unknown=state.unknown, warming=state.warming, empty=state.empty)
        upstreams = (*deltas.values(), *(UpstreamDelta(cluster, "") for cluster in route.empty))
        return CounterChanges(upstreams, tuple(deltas), route)

    async def _read(self) -> Counters:
        return await _read_counters(self._fetch, self._destination, self.route)

    def _relevant(self, deltas: dict[Host, UpstreamDelta]) -> bool:
        return any(host.cluster in UNREGISTERED_CLUSTERS or self.may_serve(host.cluster) for host in deltas)


class EnvoySidecar:
    """The sidecar whose evidence counts."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def watch(self, question: Question) -> CounterWatch:
        """Begins to watch a connection. Raises OSError if the sidecar does not respond."""
        route = live_route((await read_live_state(self._fetch, question)).decision)
        before = await _read_counters(self._fetch, question.destination, route)
        return CounterWatch(self._fetch, question, route, before)


async def _read_counters(fetch: Fetch, destination: Destination, route: LiveRoute) -> Counters:
    """The counters of what may serve a connection to `destination`; raises OSError. If no route decides, any service on
    the port may: a TCP one without addresses gets it, whatever the host."""
    host = destination.host.rstrip(".")
    patterns = [SHARED_PATTERN, host_pattern(destination.port, host) if route.found else port_pattern(destination.port)]
    patterns += [name_pattern(cluster) for cluster in route.clusters if not serves(cluster, destination)]
    try:
        pages = [parse(await fetch(f"/clusters?format=json&filter={pattern}")) for pattern in patterns]
    except ValueError as error:
        raise OSError(f"the sidecar's list of clusters can't be read: {error}") from error
    return Counters({host: counts for page in pages for host, counts in page.hosts.items()})


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
