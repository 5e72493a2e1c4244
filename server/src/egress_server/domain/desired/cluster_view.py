"""A cluster as its sidecars see it: what we want of it, less what it does not hold, and what others have put there."""

from collections.abc import Mapping
from dataclasses import replace

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.status import ClusterStatus, Problem
from egress_server.domain.observed.foreign_config import ForeignConfig, sidecar_name, virtual_service_name
from egress_server.domain.observed.foreign_services import foreign_services, virtual_services
from egress_server.domain.observed.inventory import Inventory


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
    that. What has the name of one of ours can only be ours by now, and what was adopted has ours in it."""
    if inventory is None:
        return wanted
    ours, adopted = {entry.name for entry in wanted.entries}, frozenset(wanted.cluster.adopted)
    found = [n for n in foreign_services(inventory) if n.resource not in ours and n.entry.name not in adopted]
    managers = {each.entry.name: each.owner for each in found if each.resource}
    managers |= {sidecar_name(sidecar): sidecar.owner for sidecar in inventory.sidecars}
    managers |= {virtual_service_name(vs): vs.owner for vs in inventory.virtual_services}
    cidrs = wanted.cluster.service_cidrs or inventory.service_cidrs
    routes = (vs for vs in virtual_services(inventory) if virtual_service_name(vs) not in adopted)
    return replace(
        wanted,
        cluster=replace(wanted.cluster, service_cidrs=cidrs),
        beside=ForeignConfig(
            known=True,
            complete=not (inventory.left_out.keys() & {"services", "entries"}),
            entries=tuple(each.entry for each in found),
            created={each.entry.name: each.born for each in found},
            managers=managers,
            services={(service.namespace, service.name): service.host for service in inventory.services},
            virtual_services=tuple(routes),
            sidecars=tuple(sorted(inventory.sidecars, key=lambda s: (s.create_time, s.name))),
            mesh_mode=inventory.mesh_mode,
            injector=inventory.injector,
            root_namespace=inventory.root_namespace,
        ),
    )
