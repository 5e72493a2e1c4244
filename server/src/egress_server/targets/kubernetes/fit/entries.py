"""Objects that stand by themselves, such as a ServiceEntry: they are taken as they are, unless their name is taken."""

from egress_server.domain.render.objects import IstioObject, key_of, resource_of
from egress_server.domain.rollout import UNSUPPORTED
from egress_server.targets.kubernetes.fit.draft import Draft
from egress_server.targets.kubernetes.parts.part import part


def fit_entry(draft: Draft, obj: IstioObject) -> None:
    """A ServiceEntry or DestinationRule."""
    if not draft.passes(obj):
        return
    if obj["spec"].get("resolution") == "DYNAMIC_DNS" and not draft.view.dynamic_dns:
        version = draft.view.capabilities.istio_version or "unknown"
        draft.refuse(obj, UNSUPPORTED, f"resolution DYNAMIC_DNS needs Istio 1.31; the cluster's is {version}")
        return
    namesake = draft.namesake(obj)
    if namesake is None:
        draft.take(obj)
    elif draft.adopted(namesake.key):
        draft.take(part(key_of(obj), resource_of(obj), obj["spec"], forced=True))
    else:
        draft.refuse_owner(obj, namesake, "has this name and is not ours")
