"""Interception: by the injector's values for the mesh; for what is narrower by admission policies, and where there are
none by pod templates once somebody has their workloads restarted (templates.py)."""

from collections.abc import Sequence

from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.domain.render.policies import SERVICE_CIDRS
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.informer.watch_specs import injector_name
from egress_server.targets.kubernetes.interception.admission import admission_objects
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.project.builder import Projection

SERVICE_CIDRS_UNKNOWN = "SERVICE_CIDRS_UNKNOWN"


def fit_interceptions(draft: Projection, interceptions: Sequence[IstioObject]) -> None:
    """All of the cluster at once, since of those that hold for a pod the narrowest has to know of no other."""
    scoped: list[IstioObject] = []
    for obj in interceptions:
        known = _with_ranges(draft, obj)
        if known is None:
            continue
        if obj["metadata"]["namespace"] == draft.view.root and "workloadSelector" not in obj["spec"]:
            _into_injector(draft, known)
        elif draft.passes(known):
            scoped.append(known)
    for obj in admission_objects(scoped) if draft.view.capabilities.mutating_admission_policy else scoped:
        draft.take(obj)


def _into_injector(draft: Projection, obj: IstioObject) -> None:
    """The mesh's own, for the ConfigMap of the injector."""
    root, name = draft.view.root, injector_name(draft.view.revision)
    if ObjectKey(CONFIG_MAP.name, root, name) in draft.view.objects:
        draft.take(fields_object(ObjectKey(INJECTOR_VALUES, root, name), resource_of(obj), obj["spec"]))
        return
    draft.refuse(
        obj,
        UNSUPPORTED,
        f"there is no ConfigMap {root}/{name} with the injector's values: "
        f"is {draft.view.revision or 'default'} Istio's revision?",
    )


def _with_ranges(draft: Projection, obj: IstioObject) -> IstioObject | None:
    """The object with the cluster's own ranges; None, and refused, where it asks for them and they are not known."""
    included = obj["spec"]["includeIPRanges"].split(",")
    if SERVICE_CIDRS not in included:
        return obj
    if not draft.view.ranges:
        why = "the cluster does not tell the ranges of its services; name them when you register it: --service-cidr"
        draft.refuse(obj, SERVICE_CIDRS_UNKNOWN, why)
        return None
    ranges = [text for item in included for text in (draft.view.ranges if item == SERVICE_CIDRS else (item,))]
    return {**obj, "spec": {**obj["spec"], "includeIPRanges": ",".join(dict.fromkeys(ranges))}}
