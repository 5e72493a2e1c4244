"""What worlds are made of, by kind, and the world without it: if an answer differs there, that kind has decided."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from egress_server.domain.model.resources import Fault, OutboundPolicy, ServiceEntry
from tests.truth.cluster.etcd import Object
from tests.truth.world import Foreign, Policy, World

Change = Callable[[Object], Object | None]
"""An object without a feature: the same one if it has none, or None if nothing is left."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A kind of object or setting. `without` returns an equal world if this one has none of it."""

    name: str
    without: Callable[[World], World]


def _objects(name: str, kind: str, change: Change) -> Feature:
    def without(world: World) -> World:
        changed = [(each, _changed(each, kind, change)) for each in world.objects]
        return replace(world, objects=tuple(new for _, new in changed if new is not None))

    return Feature(name, without)


def _changed(foreign: Foreign, kind: str, change: Change) -> Foreign | None:
    if kind not in ("", foreign.obj["kind"]):
        return foreign
    obj = change(deepcopy(foreign.obj))
    return None if obj is None else Foreign(obj, foreign.at)


def _setting(key: str, *values: str) -> Feature:
    """A setting of MeshConfig; if `values` are given, only with one of them as its mode."""

    def without(world: World) -> World:
        value = world.mesh.get(key)
        if values and (not isinstance(value, Mapping) or value.get("mode") not in values):
            return world
        return replace(world, mesh={name: each for name, each in world.mesh.items() if name != key})

    return Feature(f"MeshConfig {key}{' ' + values[0] if values else ''}", without)


def _policies(name: str, kind: type[object]) -> Feature:
    def without(world: World) -> World:
        kept: tuple[Policy, ...] = tuple(each for each in world.policies if not isinstance(each.resource, kind))
        return replace(world, policies=kept)

    return Feature(name, without)


def _rules(name: str, part: str, changed: Callable[[Object], Object | None]) -> Feature:
    """The rules in one part of VirtualServices: http, tls or tcp."""

    def change(obj: Object) -> Object | None:
        spec = obj["spec"]
        if part not in spec:
            return obj
        rules = [new for rule in spec[part] if (new := changed(rule)) is not None]
        spec = {key: value for key, value in spec.items() if key != part} | ({part: rules} if rules else {})
        return {**obj, "spec": spec} if spec.keys() & {"http", "tls", "tcp"} else None

    return _objects(name, "VirtualService", change)


def _no(key: str) -> Callable[[Object], Object | None]:
    return lambda rule: None if key in rule else rule


def _plain_subsets(rule: Object) -> Object:
    for target in rule.get("route", ()):
        target["destination"].pop("subset", None)
    return rule


def _without_revision(obj: Object) -> Object:
    obj["metadata"]["labels"].pop("istio.io/rev", None) if obj["metadata"].get("labels") else None
    return obj


def _spec(obj: Object, **fields: Any) -> Object:
    spec = {key: value for key, value in {**obj["spec"], **fields}.items() if value is not None}
    return {**obj, "spec": spec}


def _whole_listeners(obj: Object) -> Object:
    """Egress listeners for all ports instead of one."""
    egress = obj["spec"].get("egress")
    if not any("port" in each for each in egress or ()):
        return obj
    return _spec(obj, egress=[{"hosts": list(dict.fromkeys(host for each in egress for host in each["hosts"]))}])


def _without_exclusions(obj: Object) -> Object:
    for each in obj["spec"].get("egress", ()):
        kept = [host for host in each["hosts"] if not host.startswith("~") or host == "~/*"]
        each["hosts"] = kept or ["*/*"]
    return obj


def _without_proxy(obj: Object) -> Object:
    (obj["spec"].get("outboundTrafficPolicy") or {}).pop("egressProxy", None)
    return obj


def _ports(change: Callable[[Object], Object | None]) -> Change:
    def changed(obj: Object) -> Object | None:
        ports = [new for port in obj["spec"]["ports"] if (new := change(port)) is not None]
        return _spec(obj, ports=ports) if ports else None

    return changed


def _declared(port: Object) -> Object:
    return port if port.get("protocol") else {**port, "protocol": "TCP"}


def _as_tcp(port: Object) -> Object:
    return {**port, "protocol": "TCP"} if port.get("protocol") == "UDP" else port


def _with_endpoints(obj: Object) -> Object:
    spec = obj["spec"]
    empty = spec.get("resolution") == "STATIC" and not spec.get("endpoints")
    return _spec(obj, endpoints=[{"address": "203.0.113.50"}], workloadSelector=None) if empty else obj


def _lower(obj: Object) -> Object:
    return _spec(obj, hosts=[host.lower() for host in obj["spec"]["hosts"]])


def _one_family(obj: Object) -> Object:
    spec = obj["spec"]
    addresses = [each for each in spec.get("addresses", ()) if ":" not in each]
    endpoints = [{**each, "address": each["address"].replace("2001:db8::", "203.0.113.")} for each in _endpoints(spec)]
    return _spec(obj, addresses=addresses or None, endpoints=endpoints or None)


def _endpoints(spec: Object) -> list[Object]:
    found: list[Object] = spec.get("endpoints") or []
    return found


def _without_one_address_ranges(obj: Object) -> Object:
    return _addresses(obj, lambda each: "" if each.endswith("/32") else each)


def _without_ranges(obj: Object) -> Object:
    return _addresses(obj, lambda each: each if "/" not in each or each.endswith("/32") else "")


def _addresses(obj: Object, change: Callable[[str], str]) -> Object:
    found = [change(each) for each in obj["spec"].get("addresses", ())]
    return _spec(obj, addresses=[each for each in found if each] or None)


def _own_addresses(world: World) -> World:
    """Each address belongs to the youngest entry that has it: of several the oldest gets the connections."""
    taken: set[str] = set()
    objects = []
    for each in sorted(world.objects, key=lambda each: -each.at):
        obj = each.obj
        if obj["kind"] == "ServiceEntry" and (addresses := obj["spec"].get("addresses")):
            obj = _spec(obj, addresses=[address for address in addresses if address not in taken] or None)
            taken.update(addresses)
        objects.append(Foreign(obj, each.at))
    return replace(world, objects=tuple(objects))


def _services(name: str, has: Callable[[Object], bool]) -> Feature:
    return _objects(name, "Service", lambda obj: None if has(obj["spec"]) else obj)


def _drop(_: Object) -> None:
    return None


_NETWORKING = ("Service", "VirtualService", "DestinationRule")
FEATURES: tuple[Feature, ...] = (
    _policies("managed entries", ServiceEntry),
    _policies("faults", Fault),
    _policies("outbound policies", OutboundPolicy),
    _objects("foreign entries", "ServiceEntry", _drop),
    _objects("DestinationRules", "DestinationRule", _drop),
    _rules("VirtualService matches", "http", lambda rule: None if rule.get("match") else rule),
    _rules("VirtualService redirects", "http", _no("redirect")),
    _rules("VirtualService direct responses", "http", _no("directResponse")),
    _rules("VirtualService delegates", "http", _no("delegate")),
    _rules("VirtualService faults", "http", lambda rule: {key: rule[key] for key in rule if key != "fault"}),
    _rules("VirtualService tls routes", "tls", _drop),
    _rules("VirtualService tcp routes", "tcp", _drop),
    _rules("subsets", "http", _plain_subsets),
    *(_setting(f"default{kind}ExportTo") for kind in _NETWORKING),
    _setting("discoverySelectors"),
    _setting("serviceEntryVisibility"),
    _setting("outboundTrafficPolicy", "ALLOW_ANY_DYNAMIC_DNS"),
    _setting("defaultConfig"),
    _objects("istio.io/rev", "", _without_revision),
    _objects("Sidecars", "Sidecar", _drop),
    _objects("Sidecar listeners by port", "Sidecar", _whole_listeners),
    _objects("Sidecar exclusions", "Sidecar", _without_exclusions),
    _objects("Sidecar egressProxy", "Sidecar", _without_proxy),
    _objects("ports without protocol", "ServiceEntry", _ports(_declared)),
    _objects("UDP ports", "ServiceEntry", _ports(_as_tcp)),
    _objects("entries without endpoints", "ServiceEntry", _with_endpoints),
    _objects("upper-case hosts", "ServiceEntry", _lower),
    _objects("one address family", "ServiceEntry", _one_family),
    _objects("one-address ranges", "ServiceEntry", _without_one_address_ranges),
    _objects("address ranges", "ServiceEntry", _without_ranges),
    Feature("two hosts on one address", _own_addresses),
    _services("ExternalName Services", lambda spec: spec["type"] == "ExternalName"),
    _services("headless Services", lambda spec: spec.get("clusterIP") == "None"),
    _services("Services with an address", lambda spec: spec.get("clusterIP") not in (None, "None")),
    _objects("EndpointSlices", "EndpointSlice", _drop),
    _objects("exportTo", "ServiceEntry", lambda obj: _spec(obj, exportTo=None)),
)
