"""The inventory of a cluster, made of what is followed and of the pods: all that is not ours and decides as well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from egress_server.domain.inventory import MAX_ESCAPES, MAX_ITEMS, MAX_WORKLOADS, Inventory
from egress_server.domain.names import parse_name
from egress_server.domain.resources import Cluster
from egress_server.targets.kubernetes.following.seen import Seen
from egress_server.targets.kubernetes.foreign import entry_of, service_of, sidecar_of, virtual_service_of
from egress_server.targets.kubernetes.interception.escapes import sidecar_escapes
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.texts.mesh_config import effective_mode
from egress_server.targets.kubernetes.view import View
from egress_server.targets.kubernetes.without_us import injector_without_us, mesh_config, mode_without_us

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Of each kind as many as there is room for, and how many were left out."""

    left_out: dict[str, int]

    def most(self, name: str, found: Sequence[T], most: int = MAX_ITEMS) -> tuple[T, ...]:
        if len(found) > most:
            self.left_out[name] = self.left_out.get(name, 0) + len(found) - most
        return tuple(islice(found, most))


def take_census(cluster: Cluster, view: View, services: Iterable[Seen], survey: Survey, now: datetime) -> Inventory:
    """As of `now`."""
    kept = _Kept({})
    mesh = parse_name(cluster.name).mesh
    entries = [entry_of(found, mesh) for found in view.foreign("ServiceEntry")]
    if unread := entries.count(None):
        kept.left_out["entries"] = unread
    sidecars = list(view.foreign("Sidecar"))
    known = [sidecar_of(found, view.held.get(found.key)) for found in sidecars]
    untouched = [sidecar_of(found, None) for found in sidecars if found.key not in view.held]
    text = mesh_config(view)
    escapes = [*sidecar_escapes(untouched, "" if text is None else effective_mode(text)), *survey.escapes]
    routes = [virtual_service_of(found, view.held.get(found.key)) for found in view.foreign("VirtualService")]
    return Inventory(
        cluster=cluster.id,
        observe_time=now,
        capabilities=view.capabilities,
        service_cidrs=cluster.service_cidrs or view.ranges,
        namespaces=kept.most("namespaces", sorted(view.namespaces)),
        mesh_mode=mode_without_us(view),
        root_namespace=view.root,
        services=kept.most("services", [service_of(found) for found in sorted(services, key=lambda s: s.age)]),
        entries=kept.most("entries", [entry for entry in entries if entry is not None]),
        virtual_services=kept.most("virtual_services", routes),
        sidecars=kept.most("sidecars", known),
        escapes=kept.most("escapes", escapes, MAX_ESCAPES),
        stale_workloads=kept.most("stale_workloads", survey.stale, MAX_WORKLOADS),
        injector=injector_without_us(view),
        workloads=dict(survey.workloads),
        left_out=kept.left_out,
    )
