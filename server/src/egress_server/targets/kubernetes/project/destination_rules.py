"""Connection settings as DestinationRules: of several for a host in one namespace, a sidecar uses one.

istiod merges those that are exported to the same namespaces, or the younger to more: the oldest one's settings apply.
Others stay separate, and of those that a client sees its sidecar uses the youngest.
"""

from egress_server.domain.istio.manifest import full_name
from egress_server.domain.model.objects import IstioObject, key_of, resource_of
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import object_name
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, fields_object
from egress_server.targets.kubernetes.project.builder import ProjectionBuilder, exported_to

_POLICY = "trafficPolicy"


def project_destination_rule(builder: ProjectionBuilder, obj: IstioObject) -> None:
    """One managed DestinationRule, which is for one host."""
    if not builder.accepts(obj):
        return
    owner = _owner(builder, obj)
    if owner is None:
        builder.add_unless_named(obj)
    elif builder.is_adopted(owner.key):
        _merge(builder, obj, owner)
    else:
        host = obj["spec"]["host"]
        builder.reject_foreign(obj, owner, f"is for {host} as well: of two in one namespace, Istio uses one")


def _owner(builder: ProjectionBuilder, obj: IstioObject) -> CachedObject | None:
    """The oldest foreign one for the host in this namespace that a client of the managed one sees, unless istiod merges
    it into that. One with a workloadSelector applies besides it."""
    ours = builder.observed.managed(key_of(obj))
    namespace, export_to = obj["metadata"]["namespace"], set(obj["spec"]["exportTo"])
    for other in builder.observed.foreign("DestinationRule", namespace):
        host = full_name(other.content.get("host") or "", namespace)
        if host != obj["spec"]["host"] or other.content.get("workloadSelector"):
            continue
        merges = ours is not None and ours.age < other.age and export_to <= set(other.content.get("exportTo") or ())
        clients = exported_to(obj) or {namespace}
        if not merges and any(builder.observed.is_visible(other, client) for client in clients):
            return other
    return None


def _merge(builder: ProjectionBuilder, obj: IstioObject, owner: CachedObject) -> None:
    """Our settings in place of the owner's; its subsets stay."""
    if builder.get(owner.key):
        builder.reject(obj, FOREIGN_OWNER, f"{object_name(owner.key)} already has the settings of another entry")
        return
    saved = builder.observed.saved.get(owner.key)
    spec = saved.previous["spec"] if saved else owner.content
    settings = {_POLICY: obj["spec"][_POLICY]} if _POLICY in obj["spec"] else {}
    rest = {name: value for name, value in spec.items() if name != _POLICY}
    builder.add(fields_object(owner.key, resource_of(obj), {**rest, **settings}, forced=True))
