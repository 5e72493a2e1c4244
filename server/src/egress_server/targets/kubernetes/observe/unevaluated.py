"""Objects that may change what sidecars do, and that are only listed."""

from collections.abc import Iterable, Iterator, Mapping

from egress_server.domain.istio.manifest import Spec, child, children, labels, text, texts
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.observed.inventory import UnevaluatedObject
from egress_server.targets.kubernetes.api.kinds import ENVOY_FILTER, SERVICE_ENTRY, WASM_PLUGIN
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.observe.services import service_host

_INBOUND_CONTEXTS = frozenset({"SIDECAR_INBOUND", "GATEWAY"})
_SERVER = "SERVER"
_SERVICE, _HOSTNAME = "Service", "Hostname"


def unevaluated_objects(
    observation: Observation, objects: Mapping[str, Iterable[CachedObject]]
) -> Iterator[UnevaluatedObject]:
    """Those among `objects`, by kind, that istiod reads and that apply to outbound connections of sidecars."""
    for kind, found in sorted(objects.items()):
        for item in sorted(found, key=lambda item: item.age):
            if observation.why_ignored(item):
                continue
            if kind == ENVOY_FILTER.name:
                selector = labels(child(item.content, "workloadSelector"), "labels")
                applies = _patches_outbound(item.content)
            elif kind == WASM_PLUGIN.name:
                selector = labels(child(item.content, "selector"), "matchLabels")
                applies = _runs_outbound(item.content)
            else:
                yield from _attached_route(observation, item)
                continue
            if applies:
                namespace = "" if item.key.namespace == observation.root else item.key.namespace
                yield UnevaluatedObject(kind, item.key.namespace, item.key.name, namespace, selector, owner=item.writer)


def _patches_outbound(spec: Spec) -> bool:
    """Whether an EnvoyFilter patches the outbound configuration of sidecars; those with targets are for gateways."""
    contexts = (text(child(patch, "match"), "context") for patch in children(spec, "configPatches"))
    return not children(spec, "targetRefs") and any(context not in _INBOUND_CONTEXTS for context in contexts)


def _runs_outbound(spec: Spec) -> bool:
    """Whether a WasmPlugin sees outbound requests; those with targets are for gateways."""
    if children(spec, "targetRefs") or child(spec, "targetRef"):
        return False
    modes = [text(match, "mode") for match in children(spec, "match")]
    return not modes or any(mode != _SERVER for mode in modes)


def _attached_route(observation: Observation, route: CachedObject) -> Iterator[UnevaluatedObject]:
    """A route of the Gateway API, for each namespace of a service that it is attached to. In another namespace than
    the service's it only applies to clients of its own namespace."""
    key, namespace = route.key, route.key.namespace
    by_client: dict[str, list[str]] = {}
    for parent in children(route.content, "parentRefs"):
        of = text(parent, "namespace") or namespace
        by_client.setdefault("" if of == namespace else namespace, []).extend(_hosts(observation, parent, of))
    for client, hosts in by_client.items():
        if hosts:
            known = tuple(sorted(set(hosts)))
            yield UnevaluatedObject(key.kind, namespace, key.name, client, hosts=known, owner=route.writer)


def _hosts(observation: Observation, parent: Spec, namespace: str) -> Iterator[str]:
    """The hosts of a parent, if it is a service."""
    kind, name = text(parent, "kind"), text(parent, "name")
    if kind == _SERVICE:
        yield service_host(namespace, name)
    elif kind == _HOSTNAME:
        yield name
    elif kind == SERVICE_ENTRY.name:
        found = observation.objects.get(ObjectKey(kind, namespace, name))
        yield from texts(found.content, "hosts") if found else ()
