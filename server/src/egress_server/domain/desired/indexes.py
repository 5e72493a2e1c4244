"""Indexes of the desired state, so that lint never scans it: by host, listener, scope and visibility.

An upsert must cost the same among ten entries and among ten thousand. Thousands of entries may share a port, so they
are grouped by who sees them and on which clusters: a rule asks for one that a given workload may see, and takes the
first.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TypeVar

from egress_server.domain.istio.listener_protocol import ListenerProtocol, listener_protocol
from egress_server.domain.model.resources import (
    Fault,
    Interception,
    OutboundMode,
    OutboundPolicy,
    Resolution,
    Resource,
    Scoped,
    ServiceEntry,
)
from egress_server.domain.model.selectors import (
    ANY_NAMESPACE,
    ClusterSelector,
    Scope,
    selectors_overlap,
    visible_namespaces,
)

DATABASE_PORTS = frozenset({1433, 1521, 3306, 5432, 6379, 9042, 27017})
"""SQL Server, Oracle, MySQL, PostgreSQL, Redis, Cassandra, MongoDB."""
_ALL_VIEWERS = "all viewers"
_ALL_ENTRIES = "all entries"
_DATABASE_ENTRIES = "entries with a database port"
_Row = tuple[ClusterSelector, dict[str, ServiceEntry]]
K = TypeVar("K", bound=Hashable)
P = TypeVar("P", bound=Scoped)
V = TypeVar("V")


class Indexes:
    """The indexes of one snapshot, which adds and removes whole resources."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, dict[Hashable, _Row]] = defaultdict(dict)
        self._faults: dict[str, dict[str, Fault]] = {}
        self._routing_to: dict[str, dict[str, ServiceEntry]] = {}
        self._policies: dict[tuple[type, str], dict[str, Scoped]] = {}
        self._labelled: dict[str, dict[str, OutboundPolicy]] = {}
        self._interceptions: dict[str, dict[str, Interception]] = {}
        self._registry_only: dict[str, dict[str, OutboundPolicy]] = {}
        self._dns_names: Counter[str] = Counter()
        self._namespaces: Counter[str] = Counter()

    def add(self, resource: Resource) -> None:
        """Index `resource`."""
        self._count(resource, 1)
        match resource:
            case ServiceEntry():
                for table, selector_key in _places(resource):
                    row = self._entries[table].setdefault(selector_key, (resource.cluster_selector, {}))
                    row[1][resource.name] = resource
                for host in _destinations(resource):
                    self._routing_to.setdefault(host, {})[resource.name] = resource
            case Fault():
                self._faults.setdefault(resource.host, {})[resource.name] = resource
            case Interception():
                self._policies.setdefault(_scope_key(resource), {})[resource.name] = resource
                self._interceptions.setdefault(resource.scope.namespace, {})[resource.name] = resource
            case OutboundPolicy():
                self._policies.setdefault(_scope_key(resource), {})[resource.name] = resource
                for index in self._outbound_indexes(resource):
                    index.setdefault(resource.scope.namespace, {})[resource.name] = resource

    def remove(self, resource: Resource) -> None:
        """Remove `resource`, which must be exactly as it was added."""
        self._count(resource, -1)
        match resource:
            case ServiceEntry():
                for table, selector_key in _places(resource):
                    rows = self._entries[table]
                    del rows[selector_key][1][resource.name]
                    if not rows[selector_key][1]:
                        del rows[selector_key]
                    if not rows:
                        del self._entries[table]
                for host in _destinations(resource):
                    _discard(self._routing_to, host, resource.name)
            case Fault():
                _discard(self._faults, resource.host, resource.name)
            case Interception():
                _discard(self._policies, _scope_key(resource), resource.name)
                _discard(self._interceptions, resource.scope.namespace, resource.name)
            case OutboundPolicy():
                _discard(self._policies, _scope_key(resource), resource.name)
                for index in self._outbound_indexes(resource):
                    _discard(index, resource.scope.namespace, resource.name)

    def faults_on(self, host: str) -> Mapping[str, Fault]:
        """The faults for exactly `host`, by name."""
        return self._faults.get(host, {})

    def entries_routing_to(self, host: str) -> Mapping[str, ServiceEntry]:
        """The entries with a route to `host`, by name."""
        return self._routing_to.get(host, {})

    def same_scope(self, policy: Scoped) -> Iterator[Scoped]:
        """The other policies of the same kind for the same scope."""
        return (other for other in self.with_scope(type(policy), policy.scope) if other.name != policy.name)

    def with_scope(self, type_: type[P], scope: Scope) -> Iterator[P]:
        """The policies of one kind for exactly this scope."""
        same = self._policies.get((type_, scope.key()), {})
        return (policy for policy in same.values() if isinstance(policy, type_))

    def entries(self, viewers: Collection[str], clusters: ClusterSelector) -> Iterator[ServiceEntry]:
        """The entries visible to one of the namespaces `viewers` (`*`: to any) on a cluster that `clusters` may
        match."""
        return self._find(_ALL_ENTRIES, viewers, clusters)

    def database_entries(self, viewers: Collection[str], clusters: ClusterSelector) -> Iterator[ServiceEntry]:
        """The same, for entries with one of DATABASE_PORTS."""
        return self._find(_DATABASE_ENTRIES, viewers, clusters)

    def sharing_port(self, entry: ServiceEntry, number: int, how: ListenerProtocol) -> Iterator[ServiceEntry]:
        """The other entries whose port `number` uses its listener like this, and that some workload may see together
        with `entry`."""
        found = self._find((number, how), visible_namespaces(entry), entry.cluster_selector)
        return (other for other in found if other.name != entry.name)

    def sharing_address(self, entry: ServiceEntry, number: int, address: str) -> Iterator[ServiceEntry]:
        """The other entries that have this address and a port of this number that is not HTTP, and that some workload
        may see together with `entry`."""
        found = self._find((number, address), visible_namespaces(entry), entry.cluster_selector)
        return (other for other in found if other.name != entry.name)

    def is_registry_only(self, namespace: str) -> bool:
        """Whether some policy sets REGISTRY_ONLY for `namespace` (empty: the mesh) or for workloads in it."""
        return namespace in self._registry_only

    def registry_only_namespaces(self) -> Iterator[str]:
        """The namespaces for which is_registry_only is true; the mesh is the empty one."""
        return iter(self._registry_only)

    def registry_only(self, viewers: Collection[str]) -> Iterator[OutboundPolicy]:
        """The policies that set REGISTRY_ONLY for the mesh, or in one of the namespaces `viewers` (`*`: in any)."""
        return _in_namespaces(self._registry_only, viewers)

    def labelled_policies(self, namespace: str) -> Iterator[OutboundPolicy]:
        """The policies for workloads with certain labels in `namespace`."""
        return iter(self._labelled.get(namespace, {}).values())

    def interceptions(self, viewers: Collection[str]) -> Iterator[Interception]:
        """The interceptions of the mesh, and of the namespaces `viewers` (`*`: of all)."""
        return _in_namespaces(self._interceptions, viewers)

    def is_referenced(self, namespace: str) -> bool:
        """Whether any resource belongs to `namespace` or applies to its workloads."""
        return self._namespaces[namespace] > 0

    def dns_names(self, viewer: str) -> int:
        """How many names sidecars resolve because of entries exported to `viewer`: a namespace, or `*`."""
        return self._dns_names[viewer]

    def _outbound_indexes(self, policy: OutboundPolicy) -> Iterator[dict[str, dict[str, OutboundPolicy]]]:
        """The indexes by namespace that contain the policy."""
        if policy.mode is OutboundMode.REGISTRY_ONLY:
            yield self._registry_only
        if policy.scope.match_labels:
            yield self._labelled

    def _find(self, key: Hashable, viewers: Collection[str], clusters: ClusterSelector) -> Iterator[ServiceEntry]:
        tables = (_ALL_VIEWERS,) if ANY_NAMESPACE in viewers else (ANY_NAMESPACE, *viewers)
        for viewer in tables:
            for selector, entries in self._entries.get((key, viewer), {}).values():
                if selectors_overlap(selector, clusters):
                    yield from entries.values()

    def _count(self, resource: Resource, by: int) -> None:
        match resource:
            case ServiceEntry():
                _add(self._namespaces, resource.namespace, by)
                if names := dns_names(resource):
                    for viewer in visible_namespaces(resource):
                        _add(self._dns_names, viewer, by * names)
            case Fault():
                _add(self._namespaces, resource.namespace, by)
                _add(self._namespaces, resource.source_namespace, by)
            case OutboundPolicy() | Interception():
                _add(self._namespaces, resource.scope.namespace, by)


def dns_names(entry: ServiceEntry) -> int:
    """How many names each sidecar that sees `entry` keeps resolving for it."""
    if entry.resolution not in {Resolution.DNS, Resolution.DNS_ROUND_ROBIN}:
        return 0
    return len(entry.endpoints) or len(entry.hosts)


def _places(entry: ServiceEntry) -> Iterator[tuple[Hashable, Hashable]]:
    """Where the entry is indexed: tables by key and viewer, and in each a row by cluster selector."""
    selector = entry.cluster_selector
    row = (selector.clusters, tuple(sorted(selector.match_labels.items())))
    keys: set[Hashable] = {_ALL_ENTRIES}
    for port in entry.ports:
        if how := listener_protocol(entry, port):
            keys.add((port.number, how))
        if port.number in DATABASE_PORTS:
            keys.add(_DATABASE_ENTRIES)
        if not port.protocol.is_http:
            keys.update((port.number, address) for address in entry.addresses)
    for viewer in (_ALL_VIEWERS, *visible_namespaces(entry)):
        for key in keys:
            yield (key, viewer), row


def _destinations(entry: ServiceEntry) -> set[str]:
    """The hosts that the entry's routes lead to."""
    return {destination.host for route in entry.traffic.routes for destination in route.destinations}


def _scope_key(policy: Scoped) -> tuple[type, str]:
    return type(policy), policy.scope.key()


def _in_namespaces(index: Mapping[str, Mapping[str, V]], viewers: Collection[str]) -> Iterator[V]:
    """The values of the mesh, which is the empty namespace, and of the namespaces `viewers`; `*` means all of them."""
    namespaces = index if ANY_NAMESPACE in viewers else dict.fromkeys(("", *viewers))
    return (value for namespace in namespaces for value in index.get(namespace, {}).values())


def _add(counter: Counter[str], key: str, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]


def _discard(index: dict[K, dict[str, V]], key: K, name: str) -> None:
    del index[key][name]
    if not index[key]:
        del index[key]
