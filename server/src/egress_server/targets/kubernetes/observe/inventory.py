"""The inventory of a cluster: everything unmanaged that still affects outbound traffic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, islice
from typing import TypeVar

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.observed.inventory import (
    MAX_ITEMS,
    MAX_POLICY_GAPS,
    MAX_RULES,
    MAX_WORKLOADS,
    ForeignVirtualService,
    Inventory,
)
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.configmap import injector
from egress_server.targets.kubernetes.configmap.mesh_config import effective_mode, restore_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import PreviousText, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import injector_name, mesh_config_name
from egress_server.targets.kubernetes.interception.policy_gaps import sidecar_gaps
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG
from egress_server.targets.kubernetes.merge.owned_fields import POLICY
from egress_server.targets.kubernetes.observe.foreign_objects import (
    destination_rule_of,
    entry_of,
    rule_count,
    sidecar_of,
    virtual_service_of,
)
from egress_server.targets.kubernetes.observe.managed_times import managed_times
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.observe.selection import Selection, allocated_addresses
from egress_server.targets.kubernetes.observe.services import OtherObjects, known_services
from egress_server.targets.kubernetes.observe.unevaluated import unevaluated_objects

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Bounded:
    """Truncates lists to their limits and counts what was left out."""

    left_out: dict[str, int]

    def take(self, name: str, found: Sequence[T], limit: int = MAX_ITEMS) -> tuple[T, ...]:
        if len(found) > limit:
            self.left_out[name] = self.left_out.get(name, 0) + len(found) - limit
        return tuple(islice(found, limit))

    def take_rules(self, name: str, found: Sequence[ForeignVirtualService]) -> tuple[ForeignVirtualService, ...]:
        """As many as have MAX_RULES rules together."""
        totals = accumulate(rule_count(virtual_service.spec) for virtual_service in found)
        fitting = sum(total <= MAX_RULES for total in totals)
        return self.take(name, found, min(fitting, MAX_ITEMS))


def build_inventory(
    cluster: Cluster, observation: Observation, others: OtherObjects, survey: Survey, now: datetime
) -> Inventory:
    """The inventory as of `now`."""
    bounded = _Bounded({})
    mesh = parse_name(cluster.name).mesh
    selection = Selection(observation, others, survey)
    entries = [entry_of(found, mesh, selection.of(found)) for found in observation.foreign("ServiceEntry")]
    if unread := entries.count(None):
        bounded.left_out["entries"] = unread
    sidecars = list(observation.foreign("Sidecar"))
    known = [sidecar_of(found, observation.saved.get(found.key)) for found in sidecars]
    untouched = [sidecar_of(found, None) for found in sidecars if found.key not in observation.saved]
    text = observation.mesh_config_in_effect
    policy_gaps = [*sidecar_gaps(untouched, "" if text is None else effective_mode(text)), *survey.policy_gaps]
    routes = [
        virtual_service_of(found, observation.saved.get(found.key)) for found in observation.foreign("VirtualService")
    ]
    entries_read = bounded.take("entries", [entry for entry in entries if entry is not None])
    services = bounded.take("services", known_services(others, observation.ignored_namespaces))
    hosts = (*(host for each in entries_read for host in each.entry.hosts), *(service.host for service in services))
    rules = [destination_rule_of(found) for found in observation.foreign("DestinationRule")]
    return Inventory(
        cluster=cluster.id,
        observe_time=now,
        capabilities=observation.capabilities,
        service_cidrs=cluster.target.service_cidrs or observation.service_ranges,
        namespaces=bounded.take("namespaces", sorted(observation.namespaces)),
        mesh_mode=mesh_mode_baseline(observation),
        root_namespace=observation.root,
        services=services,
        entries=entries_read,
        virtual_services=bounded.take_rules("virtual_services", routes),
        sidecars=bounded.take("sidecars", known),
        destination_rules=bounded.take("destination_rules", rules),
        policy_gaps=bounded.take("policy_gaps", policy_gaps, MAX_POLICY_GAPS),
        stale_workloads=bounded.take("stale_workloads", survey.stale, MAX_WORKLOADS),
        injector=injector_baseline(observation),
        workloads=dict(survey.workloads),
        mesh=observation.mesh_settings,
        ignored=bounded.take("ignored", observation.ignored),
        ignored_namespaces=bounded.take("ignored_namespaces", sorted(observation.ignored_namespaces)),
        allocated=bounded.take("allocated", list(allocated_addresses(observation))),
        selected=bounded.take("selected", list(selection.of_managed())),
        unevaluated=bounded.take("unevaluated", list(unevaluated_objects(observation, others.unevaluated))),
        managed_times=dict(bounded.take("managed_times", list(managed_times(observation, hosts)))),
        left_out=bounded.left_out,
    )


def injector_values(objects: Mapping[ObjectKey, CachedObject], root: str, revision: str) -> dict[str, str]:
    """What the injector gives to new pods now; empty if that is not known."""
    found = objects.get(ObjectKey(CONFIG_MAP.name, root, injector_name(revision)))
    text = found.content.get(injector.KEY) if found else None
    try:
        return injector.read_values(text) if text else {}
    except SpliceError:
        return {}


def injector_baseline(observation: Observation) -> dict[str, str]:
    """What it would give to new pods without our values; empty if that is not known."""
    values = injector_values(observation.objects, observation.root, observation.revision)
    saved = observation.saved.get(ObjectKey(INJECTOR_VALUES, observation.root, injector_name(observation.revision)))
    if not saved or not values:
        return values
    found = observation.objects[ObjectKey(CONFIG_MAP.name, observation.root, injector_name(observation.revision))]
    ours = {
        name: PreviousText(**previous)
        for name, previous in saved.previous["before"].items()
        if values.get(name) == saved.spec[name]
    }
    try:
        return injector.read_values(injector.restore_values(found.content[injector.KEY], ours))
    except SpliceError:
        return {}


def mesh_mode_baseline(observation: Observation) -> str:
    """The mesh's outbound mode without our policy; empty if that is not known."""
    text = observation.mesh_config_in_effect
    if text is None:
        return ""
    saved = observation.saved.get(ObjectKey(MESH_CONFIG, observation.root, mesh_config_name(observation.revision)))
    try:
        if saved and written_mode(text) == saved.spec[POLICY]["mode"]:
            text = restore_mode(text, PreviousText(**saved.previous["before"]))
    except SpliceError:
        return ""
    return effective_mode(text)
