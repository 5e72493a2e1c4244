"""Which of several entries for one host a client gets, and which of them Istio merges into one service.

The client's own namespace wins, else a Service of the mesh, else the first entry in istiod's order: those that are
exported to the client by name come before those exported to all, then the older before the younger
(pilot/pkg/model/push_context.go, servicesExportedToNamespace). Of the entries of the chosen namespace only those are
merged with the first one that are equal to it in resolution, labels, workload selector and exportTo
(pilot/pkg/model/sidecar.go, canMergeServices). The ports of all others don't exist for the client.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from egress_server.domain.istio.merging import merge_key
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, Labels, visible_namespaces
from egress_server.domain.observed.foreign_services import ForeignService, is_service
from egress_server.domain.observed.inventory import ForeignEntry


@dataclass(frozen=True, slots=True)
class Registration:
    """An entry, a foreign one or a Service. `labels` are those of a foreign object."""

    entry: ServiceEntry
    create_time: datetime
    labels: Labels = field(default_factory=dict)

    @property
    def ports(self) -> frozenset[int]:
        """The numbers of its ports."""
        return frozenset(port.number for port in self.entry.ports)


def managed(entry: ServiceEntry, create_time: datetime) -> Registration:
    """The registration by a managed entry."""
    return Registration(entry, create_time)


def unmanaged(service: ForeignService) -> Registration:
    """The registration by a foreign entry or a Service."""
    labels = service.source.labels if isinstance(service.source, ForeignEntry) else {}
    return Registration(service.entry, service.create_time, labels)


def serving(registrations: Iterable[Registration], viewer: str) -> list[Registration]:
    """Of the registrations of one host, those from which workloads of the namespace `viewer` get its ports; the first
    that declares a port decides about it. Empty if they see none."""
    visible = sorted((each for each in registrations if each.entry.visible_to(viewer)), key=_order)
    if not visible:
        return []
    own = [each for each in visible if each.entry.namespace == viewer]
    services = [each for each in visible if is_service(each.entry)]
    namespace = (own or services or visible)[0].entry.namespace
    chosen = [each for each in visible if each.entry.namespace == namespace]
    first = next((each for each in chosen if is_service(each.entry)), chosen[0])
    key = merge_key(first.entry, first.labels)
    return [each for each in chosen if merge_key(each.entry, each.labels) == key]


def _order(registration: Registration) -> tuple[bool, datetime, str]:
    is_public = ANY_NAMESPACE in visible_namespaces(registration.entry)
    return is_public, registration.create_time, registration.entry.name
