"""A cluster as its sidecars see it: what we want of it, less what it does not hold, and what others have put there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from egress_server.domain.effective import Effective
from egress_server.domain.inventory import ForeignVirtualService, Inventory, KnownService
from egress_server.domain.names import object_name, parse_name
from egress_server.domain.resources import Location, Resolution, ServiceEntry
from egress_server.domain.rollout import ClusterStatus, Problem
from egress_server.domain.surroundings import Surroundings, sidecar_name, virtual_service_name

CLUSTER_DOMAIN = "cluster.local"
_OLDEST = datetime.min.replace(tzinfo=UTC)


def obstacles(wanted: Effective, status: ClusterStatus | None) -> Mapping[str, Problem]:
    """What the cluster does not hold, by resource name, and why. A resource that has changed since counts as held: that
    it is not is something the applier has yet to find."""
    if status is None or not status.obstacles:
        return {}
    return {
        name: problem
        for name, problem in status.obstacles.items()
        if wanted.revisions.get(name, 0) <= status.applied_revision
    }


def with_inventory(wanted: Effective, inventory: Inventory | None) -> Effective:
    """`wanted` with all that the cluster holds besides, as a sidecar sees it; without an inventory nothing is known of
    that."""
    if inventory is None:
        return wanted
    adopted = frozenset(wanted.cluster.adopted)
    services = [(_service(service), service.create_time or _OLDEST) for service in inventory.services]
    foreign = [(each, born) for each, born in _entries(wanted, inventory) if each.name not in adopted]
    managers = {object_name("ServiceEntry", *_place(each.entry.name)): each.owner for each in inventory.entries}
    managers |= {sidecar_name(sidecar): sidecar.owner for sidecar in inventory.sidecars}
    managers |= {virtual_service_name(vs): vs.owner for vs in inventory.virtual_services}
    cidrs = wanted.cluster.service_cidrs or inventory.service_cidrs
    return replace(
        wanted,
        cluster=replace(wanted.cluster, service_cidrs=cidrs),
        beside=Surroundings(
            known=True,
            complete=not (inventory.left_out.keys() & {"services", "entries"}),
            entries=tuple(entry for entry, _ in (*services, *foreign)),
            created={entry.name: born for entry, born in (*services, *foreign)},
            managers=managers,
            services={(service.namespace, service.name): service.host for service in inventory.services},
            virtual_services=tuple(_heeded(inventory, adopted)),
            sidecars=tuple(sorted(inventory.sidecars, key=lambda s: (s.create_time, s.name))),
            mesh_mode=inventory.mesh_mode,
            injector=inventory.injector,
            root_namespace=inventory.root_namespace,
        ),
    )


def _service(service: KnownService) -> ServiceEntry:
    """A Service as an entry. One without an address listens only where its pods are, but for HTTP, which is told apart
    by host."""
    return ServiceEntry(
        name=object_name("Service", service.namespace, service.name),
        hosts=(service.host,),
        ports=tuple(port for port in service.ports if service.addresses or port.protocol.is_http),
        resolution=Resolution.STATIC,
        location=Location.MESH_INTERNAL,
        addresses=service.addresses,
        export_to=service.export_to,
    )


def _entries(wanted: Effective, inventory: Inventory) -> Iterator[tuple[ServiceEntry, datetime]]:
    """The entries of others. One with the name of one of ours can only be ours by now."""
    ours = {_place(entry.name) for entry in wanted.entries}
    for foreign in inventory.entries:
        if (place := _place(foreign.entry.name)) not in ours:
            yield replace(foreign.entry, name=object_name("ServiceEntry", *place)), foreign.create_time


def _heeded(inventory: Inventory, adopted: frozenset[str]) -> Iterator[ForeignVirtualService]:
    """The VirtualServices that sidecars heed, the oldest first, with their hosts in full. One that was adopted has our
    routes in it."""
    for vs in sorted(inventory.virtual_services, key=lambda vs: (vs.create_time, vs.name, vs.namespace)):
        if vs.mesh and virtual_service_name(vs) not in adopted:
            yield replace(vs, hosts=tuple(_in_full(host, vs.namespace) for host in vs.hosts))


def _in_full(host: str, namespace: str) -> str:
    """A host without a dot is a Service beside the object that names it."""
    return host if "." in host or host == "*" else f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def _place(name: str) -> tuple[str, str]:
    parsed = parse_name(name)
    return parsed.namespace, parsed.id
