"""A cluster as its sidecars see it: the desired state, without what the cluster does not hold, plus foreign objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.status import ClusterStatus, Problem
from egress_server.domain.observed.foreign_config import (
    ForeignConfig,
    destination_rule_name,
    sidecar_name,
    virtual_service_name,
)
from egress_server.domain.observed.foreign_services import foreign_services, virtual_services
from egress_server.domain.observed.inventory import ForeignEntry, Inventory


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What the applier of a cluster has reported. `obstacles` are the resources that the cluster does not hold, by
    name."""

    status: ClusterStatus | None = None
    inventory: Inventory | None = None
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


NO_REPORT = ClusterReport()


def current_obstacles(effective: Effective, status: ClusterStatus | None) -> Mapping[str, Problem]:
    """The resources that the cluster does not hold, by name, with the reasons. A resource that has changed since the
    last apply is not among them, because the applier has not tried its new state yet."""
    if status is None or not status.obstacles:
        return {}
    return {
        name: problem
        for name, problem in status.obstacles.items()
        if effective.revisions.get(name, 0) <= status.applied_revision
    }


def with_inventory(effective: Effective, inventory: Inventory | None) -> Effective:
    """`effective` with the foreign objects on the cluster as a sidecar sees them; without an inventory none are known.

    An object with the name of a managed one must have become managed since, and an adopted object contains managed
    fields, so neither counts as foreign.
    """
    if inventory is None:
        return effective
    managed, adopted = {entry.name for entry in effective.entries}, frozenset(effective.cluster.orders.adopted)
    services = [
        service
        for service in foreign_services(inventory)
        if service.resource not in managed and service.entry.name not in adopted
    ]
    managers = {service.entry.name: service.manager for service in services if service.resource}
    managers |= {sidecar_name(sidecar): sidecar.owner for sidecar in inventory.sidecars}
    managers |= {virtual_service_name(vs): vs.owner for vs in inventory.virtual_services}
    managers |= {destination_rule_name(rule): rule.owner for rule in inventory.destination_rules}
    target = effective.cluster.target
    cidrs = target.service_cidrs or inventory.service_cidrs
    routes = (vs for vs in virtual_services(inventory) if virtual_service_name(vs) not in adopted)
    rules = (rule for rule in inventory.destination_rules if destination_rule_name(rule) not in adopted)
    return replace(
        effective,
        cluster=replace(effective.cluster, target=replace(target, service_cidrs=cidrs)),
        foreign=ForeignConfig(
            known=True,
            complete=not (inventory.left_out.keys() & {"services", "entries"}),
            entries=tuple(service.entry for service in services),
            create_times={service.entry.name: service.create_time for service in services},
            managers=managers,
            services={(service.namespace, service.name): service.host for service in inventory.services},
            known_services={service.host: service for service in inventory.services},
            foreign_entries={s.entry.name: s.source for s in services if isinstance(s.source, ForeignEntry)},
            virtual_services=tuple(routes),
            destination_rules=tuple(sorted(rules, key=lambda rule: (rule.create_time, rule.name, rule.namespace))),
            sidecars=tuple(sorted(inventory.sidecars, key=lambda s: (s.create_time, s.name))),
            mesh=inventory.mesh,
            ignored_namespaces=frozenset(inventory.ignored_namespaces),
            allocated=inventory.allocated,
            selected=inventory.selected,
            mesh_mode=inventory.mesh_mode,
            injector=inventory.injector,
            root_namespace=inventory.root_namespace,
        ),
    )
