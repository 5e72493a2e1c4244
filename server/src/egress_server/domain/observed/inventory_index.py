"""The inventories of a mesh's clusters, with the indexes that lint uses.

A write must cost the same with one cluster and with a thousand. So foreign objects are indexed by host, port and
namespace across all clusters, and a rule takes the first few clusters that are relevant.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from egress_server.domain.istio.listener_protocol import ListenerProtocol, listener_protocol
from egress_server.domain.observed.foreign_services import ForeignService, foreign_services, virtual_services
from egress_server.domain.observed.inventory import (
    ForeignDestinationRule,
    ForeignSidecar,
    ForeignVirtualService,
    IgnoredObject,
    Inventory,
    PolicyGap,
)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
InjectorValues = tuple[tuple[str, str], ...]
"""Names and values, sorted."""


class _Index(Generic[K, V]):
    """Rows by key, and in each row a value per cluster."""

    def __init__(self) -> None:
        self._rows: dict[K, dict[str, V]] = defaultdict(dict)
        self._keys: dict[str, tuple[K, ...]] = {}

    def put(self, cluster: str, found: Mapping[K, V]) -> None:
        for key in self._keys.get(cluster, ()):
            del self._rows[key][cluster]
            if not self._rows[key]:
                del self._rows[key]
        self._keys[cluster] = tuple(found)
        for key, value in found.items():
            self._rows[key][cluster] = value

    def row(self, key: K) -> Mapping[str, V]:
        return self._rows.get(key, {})

    def rows(self) -> Iterator[Mapping[str, V]]:
        return iter(self._rows.values())


class Inventories(Mapping[str, Inventory]):
    """The inventories by cluster id. Like the snapshot, it belongs to one event loop."""

    def __init__(self, records: Iterable[Inventory] = ()) -> None:
        self._records: dict[str, Inventory] = {}
        self._hosts: _Index[str, tuple[ForeignService, ...]] = _Index()
        self._ports: _Index[tuple[int, ListenerProtocol], tuple[ForeignService, ...]] = _Index()
        self._routes: _Index[str, ForeignVirtualService] = _Index()
        self._sidecars: _Index[tuple[str, tuple[str, ...]], ForeignSidecar] = _Index()
        self._policy_gaps: _Index[str, tuple[PolicyGap, ...]] = _Index()
        self._namespaces: _Index[str, bool] = _Index()
        self._injectors: _Index[InjectorValues, InjectorValues] = _Index()
        self._ignored: _Index[str, bool] = _Index()
        self._visibility: _Index[str, str] = _Index()
        self._other_revisions: _Index[str, tuple[IgnoredObject, ...]] = _Index()
        self._labelled: _Index[str, tuple[ForeignSidecar, ...]] = _Index()
        self._rules: _Index[str, tuple[ForeignDestinationRule, ...]] = _Index()
        for record in records:
            self.put(record)

    def __getitem__(self, cluster: str) -> Inventory:
        """The inventory of a cluster."""
        return self._records[cluster]

    def __iter__(self) -> Iterator[str]:
        """The ids of the clusters that have an inventory."""
        return iter(self._records)

    def __len__(self) -> int:
        """The number of clusters that have an inventory."""
        return len(self._records)

    def put(self, record: Inventory) -> None:
        """Replace the inventory of the record's cluster."""
        cluster = record.cluster
        self._records[cluster] = record
        services = list(foreign_services(record))
        self._hosts.put(cluster, _grouped((host, s) for s in services for host in s.entry.hosts))
        self._ports.put(cluster, _grouped(((number, how), s) for s in services for number, how in _shared_ports(s)))
        routes: dict[str, ForeignVirtualService] = {}
        for vs in virtual_services(record):
            for host in vs.hosts:
                routes.setdefault(host, vs)
        self._routes.put(cluster, routes)
        restricting = (s for s in record.sidecars if s.egress_hosts and not s.match_labels)
        self._sidecars.put(cluster, {(s.namespace, s.egress_hosts): s for s in restricting})
        self._policy_gaps.put(cluster, _grouped((gap.namespace, gap) for gap in record.policy_gaps))
        self._namespaces.put(cluster, dict.fromkeys(record.namespaces, True))
        values = tuple(sorted(record.injector.items()))
        self._injectors.put(cluster, {values: values} if values else {})
        self._ignored.put(cluster, dict.fromkeys(record.ignored_namespaces, True))
        private = dict.fromkeys(record.mesh.private_namespaces, "only to workloads of the same namespace")
        self._visibility.put(cluster, private | dict.fromkeys(record.mesh.hidden_namespaces, "to no workloads"))
        ignored = (each for each in record.ignored if each.namespace not in record.ignored_namespaces)
        self._other_revisions.put(cluster, _grouped((each.namespace, each) for each in ignored))
        labelled = (sidecar for sidecar in record.sidecars if sidecar.match_labels)
        self._labelled.put(cluster, _grouped((sidecar.namespace, sidecar) for sidecar in labelled))
        self._rules.put(cluster, _grouped((rule.spec.host, rule) for rule in record.destination_rules))

    def drop(self, cluster: str) -> None:
        """Remove the inventory of a cluster."""
        if cluster in self._records:
            self.put(Inventory(cluster, self._records[cluster].observe_time))
            del self._records[cluster]

    def with_host(self, host: str) -> Mapping[str, tuple[ForeignService, ...]]:
        """The foreign services that register exactly `host`, by cluster."""
        return self._hosts.row(host)

    def on_port(self, number: int, how: ListenerProtocol) -> Mapping[str, tuple[ForeignService, ...]]:
        """The foreign services whose port `number` uses its listener like this, by cluster."""
        return self._ports.row((number, how))

    def virtual_service_for(self, host: str) -> Mapping[str, ForeignVirtualService]:
        """The oldest foreign VirtualService for exactly `host`, by cluster."""
        return self._routes.row(host)

    def restricting_sidecars(self) -> Iterator[Mapping[str, ForeignSidecar]]:
        """The foreign Sidecars that restrict what a whole namespace sees. Each row holds equal ones, by cluster."""
        return self._sidecars.rows()

    def policy_gaps(self, namespace: str) -> Mapping[str, tuple[PolicyGap, ...]]:
        """The policy gaps in a namespace, by cluster."""
        return self._policy_gaps.row(namespace)

    def namespaces_with_gaps(self) -> Iterator[Mapping[str, tuple[PolicyGap, ...]]]:
        """The policy gaps of all namespaces, one row per namespace."""
        return self._policy_gaps.rows()

    def injector_values(self) -> Iterator[Mapping[str, InjectorValues]]:
        """The injector's own values, as in Inventory.injector. Each row holds equal ones, by cluster."""
        return self._injectors.rows()

    def ignoring(self, namespace: str) -> Mapping[str, bool]:
        """The clusters whose istiod reads nothing in `namespace`."""
        return self._ignored.row(namespace)

    def limited_visibility(self, namespace: str) -> Mapping[str, str]:
        """To whom serviceEntryVisibility shows the entries of `namespace`, by cluster, if it limits that."""
        return self._visibility.row(namespace)

    def of_other_revisions(self, namespace: str) -> Mapping[str, tuple[IgnoredObject, ...]]:
        """The objects in `namespace` that are labelled for another revision of istiod, by cluster."""
        return self._other_revisions.row(namespace)

    def labelled_sidecars(self, namespace: str) -> Mapping[str, tuple[ForeignSidecar, ...]]:
        """The foreign Sidecars for workloads with certain labels in `namespace`, by cluster."""
        return self._labelled.row(namespace)

    def destination_rules(self, host: str) -> Mapping[str, tuple[ForeignDestinationRule, ...]]:
        """The foreign DestinationRules for exactly `host`, by cluster."""
        return self._rules.row(host)

    def has_namespace(self, namespace: str) -> bool:
        """Whether some cluster has this namespace."""
        return bool(self._namespaces.row(namespace))


def _shared_ports(service: ForeignService) -> Iterator[tuple[int, ListenerProtocol]]:
    for port in service.entry.ports:
        if how := listener_protocol(service.entry, port):
            yield port.number, how


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    grouped: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return {key: tuple(values) for key, values in grouped.items()}
