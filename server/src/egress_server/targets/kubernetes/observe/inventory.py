"""The inventory of a cluster: everything that is not managed here and still decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from egress_server.domain.model.names import Name, ResourceKind, parse_name
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.resources import Cluster
from egress_server.domain.observed.inventory import (
    MAX_ITEMS,
    MAX_POLICY_GAPS,
    MAX_WORKLOADS,
    ForeignEntry,
    ForeignSidecar,
    ForeignVirtualService,
    Inventory,
    KnownService,
)
from egress_server.formats.service_entry import read_foreign_entry, read_port
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.configmap import injector
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, effective_mode, restore_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import Before, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import injector_name, mesh_config_name
from egress_server.targets.kubernetes.interception.policy_gaps import sidecar_gaps
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.last_applied import SavedFields
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES
from egress_server.targets.kubernetes.merge.istio_objects import said_mode
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG
from egress_server.targets.kubernetes.merge.owned_fields import POLICY
from egress_server.targets.kubernetes.observe.observation import Observation, full_hosts, heeded

_DOMAIN = "svc.cluster.local"
_EXPORT_TO = "networking.istio.io/exportTo"
_EVERYWHERE = "*/*"
_NO_ADDRESS = "None"


def entry_of(found: CachedObject, mesh: str) -> ForeignEntry | None:
    """A ServiceEntry; None where it can't be understood."""
    name = Name(mesh, ResourceKind.SERVICE_ENTRY, found.key.name, found.key.namespace)
    entry = read_foreign_entry(str(name), found.content)
    return None if entry is None else ForeignEntry(entry, found.create_time, found.writer)


def virtual_service_of(found: CachedObject, held: SavedFields | None) -> ForeignVirtualService:
    """A VirtualService, less what we put into it."""
    spec = found.content
    ours = {route["name"] for route in held.spec.get("http", ())} if held else set()
    theirs = [route for route in spec.get("http") or () if route.get("name") not in ours]
    return ForeignVirtualService(
        namespace=found.key.namespace,
        name=found.key.name,
        hosts=tuple(sorted(full_hosts(found))),
        create_time=found.create_time,
        export_to=tuple(spec.get("exportTo") or ()),
        mesh=heeded(spec),
        faults=any("fault" in route for route in theirs),
        owner=found.writer,
        answers=any(route.keys() & {"redirect", "directResponse"} for route in theirs)
        or (bool(theirs) and all(route.get("match") for route in theirs)),
    )


def sidecar_of(found: CachedObject, held: SavedFields | None) -> ForeignSidecar:
    """A Sidecar, as it was before we put a mode into it."""
    spec = found.content
    hosts = [host for listener in spec.get("egress") or () for host in listener.get("hosts") or ()]
    return ForeignSidecar(
        namespace=found.key.namespace,
        name=found.key.name,
        create_time=found.create_time,
        match_labels=dict((spec.get("workloadSelector") or {}).get("labels") or {}),
        mode=said_mode(held.was if held else spec),
        egress_hosts=() if _EVERYWHERE in hosts else tuple(dict.fromkeys(hosts)),
        owner=found.writer,
    )


def service_of(found: CachedObject) -> KnownService:
    """A Service, with the ports that Istio serves."""
    spec = found.content
    addresses = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    export_to = found.annotations.get(_EXPORT_TO, "")
    return KnownService(
        namespace=found.key.namespace,
        name=found.key.name,
        host=f"{found.key.name}.{found.key.namespace}.{_DOMAIN}",
        ports=tuple(read_port(port, protocol_of(port)) for port in spec.get("ports") or () if _is_tcp(port)),
        addresses=tuple(address for address in addresses if address and address != _NO_ADDRESS),
        export_to=tuple(to.strip() for to in export_to.split(",") if to.strip()),
        create_time=found.create_time,
    )


def protocol_of(port: Mapping[str, Any]) -> str:
    """What Istio takes a Service's port for: by appProtocol, else by the beginning of its name."""
    told = str(port.get("appProtocol") or "").lower()
    if told:
        return _APP_PROTOCOLS.get(told, told)
    name = str(port.get("name") or "").lower()
    return "grpc-web" if name == "grpc-web" or name.startswith("grpc-web-") else name.partition("-")[0]


_APP_PROTOCOLS = {"kubernetes.io/h2c": "http2", "kubernetes.io/ws": "http", "kubernetes.io/wss": "https"}


def _is_tcp(port: Mapping[str, Any]) -> bool:
    return port.get("protocol") in (None, "TCP")


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """Of each kind as many as there is room for, and how many were left out."""

    left_out: dict[str, int]

    def most(self, name: str, found: Sequence[T], most: int = MAX_ITEMS) -> tuple[T, ...]:
        if len(found) > most:
            self.left_out[name] = self.left_out.get(name, 0) + len(found) - most
        return tuple(islice(found, most))


def build_inventory(
    cluster: Cluster, view: Observation, services: Iterable[CachedObject], survey: Survey, now: datetime
) -> Inventory:
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
    policy_gaps = [*sidecar_gaps(untouched, "" if text is None else effective_mode(text)), *survey.policy_gaps]
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
        policy_gaps=kept.most("policy_gaps", policy_gaps, MAX_POLICY_GAPS),
        stale_workloads=kept.most("stale_workloads", survey.stale, MAX_WORKLOADS),
        injector=injector_without_us(view),
        workloads=dict(survey.workloads),
        left_out=kept.left_out,
    )


def injector_values(objects: Mapping[ObjectKey, CachedObject], root: str, revision: str) -> dict[str, str]:
    """What the injector gives new pods now; empty where it is not known."""
    found = objects.get(ObjectKey(CONFIG_MAP.name, root, injector_name(revision)))
    text = found.content.get(injector.KEY) if found else None
    try:
        return injector.read_values(text) if text else {}
    except SpliceError:
        return {}


def injector_without_us(view: Observation) -> dict[str, str]:
    """What it would give them; empty where that is not known."""
    values = injector_values(view.objects, view.root, view.revision)
    held = view.held.get(ObjectKey(INJECTOR_VALUES, view.root, injector_name(view.revision)))
    if not held or not values:
        return values
    found = view.objects[ObjectKey(CONFIG_MAP.name, view.root, injector_name(view.revision))]
    ours = {name: Before(**was) for name, was in held.was["before"].items() if values.get(name) == held.spec[name]}
    try:
        return injector.read_values(injector.restore_values(found.content[injector.KEY], ours))
    except SpliceError:
        return {}


def mesh_config(view: Observation) -> str | None:
    """MeshConfig's text; None where there is no such ConfigMap."""
    found = view.objects.get(ObjectKey(CONFIG_MAP.name, view.root, mesh_config_name(view.revision)))
    return None if found is None else found.content.get(KEY, "")


def mode_without_us(view: Observation) -> str:
    """The mesh's outbound mode; empty where it is not known."""
    text = mesh_config(view)
    if text is None:
        return ""
    held = view.held.get(ObjectKey(MESH_CONFIG, view.root, mesh_config_name(view.revision)))
    try:
        if held and written_mode(text) == held.spec[POLICY]["mode"]:
            text = restore_mode(text, Before(**held.was["before"]))
    except SpliceError:
        return ""
    return effective_mode(text)
