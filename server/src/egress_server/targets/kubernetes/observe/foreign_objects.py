"""Istio's objects that others have written, for the inventory: each without what we have written into it."""

from egress_server.domain.istio.read_destination_rule import read_destination_rule
from egress_server.domain.istio.read_sidecar import read_egress_listeners, read_egress_proxy
from egress_server.domain.istio.read_virtual_service import read_virtual_service
from egress_server.domain.istio.sidecar import EgressListener
from egress_server.domain.istio.virtual_service import ConnectionRule, HttpRule, VirtualServiceSpec
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.observed.inventory import (
    ForeignDestinationRule,
    ForeignEntry,
    ForeignSidecar,
    ForeignVirtualService,
)
from egress_server.formats.service_entry import read_foreign_entry
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.istio_objects import foreign_routes, sidecar_mode
from egress_server.targets.kubernetes.observe.observation import full_hosts

_EVERYWHERE, _NOT = "*/*", "~"


def entry_of(found: CachedObject, mesh: str, selected: tuple[str, ...] | None = None) -> ForeignEntry | None:
    """A foreign ServiceEntry that selects workloads at these addresses; None if it can't be parsed."""
    name = Name(mesh, ResourceKind.SERVICE_ENTRY, found.key.name, found.key.namespace)
    entry = read_foreign_entry(str(name), found.content)
    if entry is None:
        return None
    return ForeignEntry(entry, found.create_time, found.writer, dict(found.labels), selected)


def virtual_service_of(found: CachedObject, saved: SavedFields | None) -> ForeignVirtualService:
    """A foreign VirtualService, without our routes."""
    routes = foreign_routes(found.content, saved.spec if saved else None)
    spec = read_virtual_service({**found.content, "http": routes}, found.key.namespace)
    return ForeignVirtualService(
        namespace=found.key.namespace,
        name=found.key.name,
        hosts=tuple(sorted(full_hosts(found))),
        create_time=found.create_time,
        export_to=spec.export_to,
        mesh=spec.mesh,
        owner=found.writer,
        spec=spec,
    )


def rule_count(spec: VirtualServiceSpec) -> int:
    """The number of its rules, with their matches and destinations."""
    rules: tuple[HttpRule | ConnectionRule, ...] = (*spec.http, *spec.tls, *spec.tcp)
    return sum(1 + len(rule.match) + len(rule.route) for rule in rules)


def destination_rule_of(found: CachedObject) -> ForeignDestinationRule:
    """A foreign DestinationRule."""
    spec = read_destination_rule(found.content, found.key.namespace)
    return ForeignDestinationRule(found.key.namespace, found.key.name, found.create_time, spec, found.writer)


def sidecar_of(found: CachedObject, saved: SavedFields | None) -> ForeignSidecar:
    """A foreign Sidecar, as it was before we set its mode."""
    spec, namespace = found.content, found.key.namespace
    listeners = read_egress_listeners(spec)
    return ForeignSidecar(
        namespace=namespace,
        name=found.key.name,
        create_time=found.create_time,
        match_labels=dict((spec.get("workloadSelector") or {}).get("labels") or {}),
        mode=sidecar_mode(saved.previous if saved else spec),
        egress_hosts=_restricting_hosts(listeners),
        owner=found.writer,
        listeners=listeners,
        egress_proxy=read_egress_proxy(spec, namespace),
    )


def _restricting_hosts(listeners: tuple[EgressListener, ...]) -> tuple[str, ...]:
    """The hosts of all listeners; empty if they include everything and exclude nothing."""
    hosts = tuple(dict.fromkeys(host for listener in listeners for host in listener.hosts))
    return () if _EVERYWHERE in hosts and not any(host.startswith(_NOT) for host in hosts) else hosts
