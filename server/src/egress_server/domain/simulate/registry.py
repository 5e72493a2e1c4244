"""The registry as the sidecars of one namespace see it: who registers which host and port, and who takes precedence.

Entries of one host in different namespaces are not merged: the client's own namespace wins even if its entry is newer,
else the oldest wins entirely. Within one namespace the ports of entries are merged if Istio takes them for one service
(domain/istio/merging.py). Hosts also compete for a port: HTTP is detected by its first bytes, but opaque connections
without addresses can't be distinguished.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.names import is_resource
from egress_server.domain.model.resources import Protocol, ServiceEntry, ServicePort
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import sidecar_name
from egress_server.domain.observed.foreign_services import is_service
from egress_server.domain.simulate.istiod.scope import SidecarScope
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.world import World, world_of
from egress_server.domain.simulate.outbound_mode import effective_mode


class OwnerKind(Enum):
    """What registers a host: a managed resource, a foreign ServiceEntry, or a Service of the cluster."""

    RESOURCE = "RESOURCE"
    SERVICE_ENTRY = "SERVICE_ENTRY"
    SERVICE = "SERVICE"


@dataclass(frozen=True, slots=True)
class RegistryItem:
    """One host and port that an entry registers. `reachable`: connections from the namespace reach it; if not, `reason`
    explains it for humans, and `shadowed_by` names the resource that gets them instead, if there is one."""

    host: str
    port: ServicePort
    entry: ServiceEntry
    visible: bool = True
    reachable: bool = True
    shadowed_by: str = ""
    reason: str = ""

    @property
    def owner_kind(self) -> OwnerKind:
        """What registers it."""
        if is_resource(self.entry.name):
            return OwnerKind.RESOURCE
        return OwnerKind.SERVICE if is_service(self.entry) else OwnerKind.SERVICE_ENTRY

    @property
    def is_http(self) -> bool:
        """Whether its requests are distinguished by their Host."""
        return self.port.protocol.is_http


def registry(
    effective: Effective,
    namespace: str,
    port: int | None = None,
    labels: Labels | None = None,
) -> list[RegistryItem]:
    """The items as workloads of `namespace` with these labels see them, oldest first; if given, only those of one
    port."""
    world = world_of(effective)
    scope = SidecarScope(world, namespace, effective_mode(effective, namespace, labels).sidecar)
    hosts = world.hosts() if port is None else dict.fromkeys(h for e in world.on_port(port) for h in e.hosts)
    items = [item for host in hosts for item in items_of_host(scope, host)]
    items.sort(key=lambda item: (effective.create_time(item.entry.name), item.entry.name))
    return [item for item in _with_port_conflicts(items, world) if port in {None, item.port.number}]


def items_of_host(scope: SidecarScope, host: str) -> Iterator[RegistryItem]:
    """The items of one host."""
    declared: dict[int, ServiceEntry] = {}
    for spelled in sorted(scope.world.spellings(host)):
        by_entry: dict[str, MeshService] = {}
        for service in (each for each in scope.world.services(spelled) if not each.target):
            by_entry.setdefault(service.entry.name, service)
        for service in by_entry.values():
            for port in service.ports:
                yield _item(scope, service, RegistryItem(host, port, service.entry), declared)


def _item(
    scope: SidecarScope, service: MeshService, item: RegistryItem, declared: dict[int, ServiceEntry]
) -> RegistryItem:
    """The item as the sidecars see it; `declared` has the entries that declare the ports of the host so far."""
    entry, number = item.entry, item.port.number
    if reason := _hidden(scope, service):
        return replace(item, visible=False, reachable=False, reason=reason)
    provider = scope.cluster_service(service.host)
    if provider is None:
        return replace(item, visible=False, reachable=False, reason="imported on other ports only")
    if provider.namespace != entry.namespace:
        return _shadowed(item, provider.entry, _namespace_reason(scope, item.host, provider))
    if (older := declared.setdefault(number, entry)) is not entry:
        reason = f"an older entry in namespace {entry.namespace} already declares port {number} of {item.host}"
        return _shadowed(item, older, reason)
    if provider.port(number) is None:
        return _shadowed(item, provider.entry, _unmerged_reason(item))
    if item.port.protocol is Protocol.UDP:
        return replace(item, reachable=False, reason="sidecars don't serve UDP ports")
    return item


def _hidden(scope: SidecarScope, service: MeshService) -> str:
    """Why the sidecars don't see a service; empty if they do."""
    if not service.visible_to(scope.client):
        exported = ", ".join("its own namespace" if to == "." else to for to in sorted(service.export_to))
        return f"exported to {exported} but not to {scope.client}"
    if not any(listener.imports(service) for listener in scope.listeners):
        sidecar = scope.world.effective.foreign.describe(sidecar_name(scope.sidecar)) if scope.sidecar else "a Sidecar"
        return f"not among the egress hosts of {sidecar}"
    return ""


def _namespace_reason(scope: SidecarScope, host: str, chosen: MeshService) -> str:
    if chosen.namespace == scope.client:
        rule = "it is the client's own namespace"
    elif chosen.kubernetes:
        rule = "a Service takes precedence over service entries"
    elif "*" not in chosen.export_to:
        rule = f"its entry is the oldest that is exported to {scope.client} by name"
    else:
        rule = "its entry is the oldest"
    return (
        f"entries in different namespaces are not merged, and {host} is provided by namespace {chosen.namespace} "
        f"because {rule}"
    )


def _unmerged_reason(item: RegistryItem) -> str:
    return (
        f"an older entry for {item.host} lacks port {item.port.number}, and Istio merges the ports of entries only if "
        "their namespace, resolution, labels, workload selector and exportTo are equal"
    )


def _with_port_conflicts(items: Sequence[RegistryItem], world: World) -> list[RegistryItem]:
    """The items after conflicts on their ports, which older items win."""
    first: dict[int, RegistryItem] = {}
    claims: dict[tuple[int, str, str], RegistryItem] = {}
    resolved = []
    for item in items:
        if item.reachable and (item.is_http or not _has_single_addresses(item)):
            assumed = world.assumes_http(item.port.number)
            holder = None if assumed else first.setdefault(item.port.number, item)
            protocols = {item.port.protocol, holder.port.protocol if holder else Protocol.HTTP}
            if len(protocols) > 1 and not _ALONE.isdisjoint(protocols):
                item = _protocol_conflict(item, holder)
        if item.reachable and not item.is_http and item.port.protocol is not Protocol.DETECTED:
            item = _claim(item, claims)
        resolved.append(item)
    return resolved


_ALONE = frozenset((Protocol.MONGO, Protocol.MYSQL))


def _has_single_addresses(item: RegistryItem) -> bool:
    return bool(item.entry.addresses) and not any("/" in address for address in item.entry.addresses)


def _protocol_conflict(item: RegistryItem, holder: RegistryItem | None) -> RegistryItem:
    """These protocols can't share a listener with others, for which it waits for the client's first bytes."""
    alone = holder if holder and holder.port.protocol in _ALONE else item
    user = f"{holder.host} of an older entry" if holder else "the cluster's own Services"
    reason = (
        f"{alone.port.protocol.label} can't share a port with other protocols, and port {item.port.number} is already "
        f"used by {user}"
    )
    return replace(item, reachable=False, shadowed_by=holder.entry.name if holder else "", reason=reason)


def _claim(item: RegistryItem, claims: dict[tuple[int, str, str], RegistryItem]) -> RegistryItem:
    """Opaque connections are distinguished by address and, with TLS, by server name, except for those to a single
    address, which has a listener of its own. An older item keeps what it has claimed."""
    name = item.host if item.port.protocol.is_tls else ""
    addresses: Iterable[str] = item.entry.addresses or ("",)
    keys = [(item.port.number, address, "" if address and "/" not in address else name) for address in addresses]
    holders = [claims.setdefault(key, item) for key in keys]
    if any(holder is item or holder.entry is item.entry for holder in holders):
        return item
    where = "at the same addresses" if item.entry.addresses else "because it has no addresses"
    reason = f"{holders[0].host} of an older entry captures every connection to port {item.port.number} {where}"
    return _shadowed(item, holders[0].entry, reason)


def _shadowed(item: RegistryItem, by: ServiceEntry, reason: str) -> RegistryItem:
    return replace(item, reachable=False, shadowed_by=by.name, reason=reason)
