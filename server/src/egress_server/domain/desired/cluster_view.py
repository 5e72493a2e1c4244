"""A cluster as its sidecars see it: the desired state, without what the cluster does not hold, plus foreign objects."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from egress_server.domain.desired.effective import Effective, without
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.clusters import KubernetesTarget, MeshPolicyBackend
from egress_server.domain.model.resources import TrafficSettings
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from egress_server.domain.observed.foreign_config import (
    ForeignConfig,
    destination_rule_name,
    sidecar_name,
    unevaluated_name,
    virtual_service_name,
)
from egress_server.domain.observed.foreign_services import aliases, foreign_services, virtual_services
from egress_server.domain.observed.inventory import ForeignEntry, Inventory


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What the applier of a cluster has reported. `obstacles` are the resources that the cluster does not hold, or only
    in part, by name."""

    status: ClusterStatus | None = None
    inventory: Inventory | None = None
    obstacles: Mapping[str, Problem] = field(default_factory=dict)


NO_REPORT = ClusterReport()


_NOT_APPLYING = frozenset({Phase.HELD, Phase.FAILED, Phase.OFFLINE})
"""Phases in which the cluster stays as it is."""


def current_obstacles(effective: Effective, status: ClusterStatus | None, snapshot: Snapshot) -> Mapping[str, Problem]:
    """The resources that the cluster does not hold, or only in part, by name, with the reasons. A resource that has
    changed since the last apply is not among them, because the applier has not tried its new state yet; but a new one
    is, if the cluster is held, unreachable or failing."""
    if status is None:
        return {}
    changed = {name for name, revision in effective.revisions.items() if revision > status.applied_revision}
    obstacles = {name: problem for name, problem in (status.obstacles or {}).items() if name not in changed}
    if status.phase in _NOT_APPLYING:
        why = status.problem or Problem(status.phase.value, "the cluster has not applied it yet")
        obstacles |= {name: replace(why, held=()) for name in changed if _is_new(snapshot, name)}
    return obstacles


def _is_new(snapshot: Snapshot, name: str) -> bool:
    """Whether the resource has not changed since it was created."""
    found = snapshot.get(name)
    return found is not None and found.create_time == found.update_time


def describe_obstacle(problem: Problem) -> str:
    """What the cluster lacks of a resource, and why, for messages."""
    lacks = f"holds only its {' and '.join(problem.held)}" if problem.held else "does not hold it"
    return f"the cluster {lacks} ({problem.reason}): {problem.message}"


def as_held(effective: Effective, obstacles: Mapping[str, Problem]) -> Effective:
    """`effective` as the cluster holds it: of entries and of a mesh-wide policy with an obstacle the parts that are
    there, of all other resources nothing."""
    held = {name: frozenset(problem.held) for name, problem in obstacles.items()}
    entries = {entry.name for entry in effective.entries if _ENTRY in held.get(entry.name, ())}
    mesh = effective.outbound.get("/")
    backends = held.get(mesh.name, frozenset()) & _BACKENDS.keys() if mesh else frozenset()
    rest = without(effective, obstacles.keys() - entries - ({mesh.name} if mesh and backends else set()))
    cluster = rest.cluster
    if len(backends) == 1 and isinstance(cluster.target, KubernetesTarget):
        cluster = replace(cluster, target=replace(cluster.target, mesh_policy=_BACKENDS[next(iter(backends))]))
    return replace(
        rest,
        cluster=cluster,
        entries=tuple(
            replace(entry, traffic=_held_traffic(entry.traffic, held[entry.name])) if entry.name in entries else entry
            for entry in rest.entries
        ),
    )


_ENTRY, _ROUTES, _RULE = "ServiceEntry", "VirtualService", "DestinationRule"
_BACKENDS = {"Sidecar": MeshPolicyBackend.SIDECAR, "MeshConfig": MeshPolicyBackend.MESH_CONFIG}
"""How a cluster enforces a mesh-wide policy of which it holds only an object of this kind."""


def _held_traffic(traffic: TrafficSettings, held: Collection[str]) -> TrafficSettings:
    """The settings whose objects are among the held kinds."""
    by_rule = replace(traffic, timeout=None, retries=None, routes=()) if _RULE in held else TrafficSettings()
    if _ROUTES not in held:
        return by_rule
    return replace(by_rule, timeout=traffic.timeout, retries=traffic.retries, routes=traffic.routes)


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
    other_names = list(aliases(inventory))
    managers = {service.entry.name: service.manager for service in services if service.resource}
    managers |= {sidecar_name(sidecar): sidecar.owner for sidecar in inventory.sidecars}
    managers |= {virtual_service_name(vs): vs.owner for vs in inventory.virtual_services}
    managers |= {destination_rule_name(rule): rule.owner for rule in inventory.destination_rules}
    managers |= {unevaluated_name(obj): obj.owner for obj in inventory.unevaluated}
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
            aliases=tuple(alias.entry for alias in other_names),
            create_times={each.entry.name: each.create_time for each in (*services, *other_names)},
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
            unevaluated=inventory.unevaluated,
            managed_times=inventory.managed_times,
            mesh_mode=inventory.mesh_mode,
            injector=inventory.injector,
            root_namespace=inventory.root_namespace,
        ),
    )
