"""Interception: for the mesh by the injector's values; for narrower scopes by admission policies, or, if the cluster
has none, by pod templates on the next restart of their workloads (interception/templates.py)."""

from collections.abc import Sequence

from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.domain.render.policies import SERVICE_CIDRS
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.informer.watch_specs import injector_name
from egress_server.targets.kubernetes.interception.admission import admission_objects
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.project.builder import ProjectionBuilder

SERVICE_CIDRS_UNKNOWN = "SERVICE_CIDRS_UNKNOWN"


def project_interceptions(builder: ProjectionBuilder, interceptions: Sequence[IstioObject]) -> None:
    """All of the cluster together, since each admission policy must exclude the narrower ones."""
    scoped: list[IstioObject] = []
    for obj in interceptions:
        resolved = _with_service_cidrs(builder, obj)
        if resolved is None:
            continue
        if obj["metadata"]["namespace"] == builder.observed.root and "workloadSelector" not in obj["spec"]:
            _into_injector(builder, resolved)
        elif builder.accepts(resolved):
            scoped.append(resolved)
    for obj in admission_objects(scoped) if builder.observed.capabilities.mutating_admission_policy else scoped:
        builder.add(obj)


def _into_injector(builder: ProjectionBuilder, obj: IstioObject) -> None:
    """The mesh-wide one, as fields of the injector's ConfigMap."""
    root, name = builder.observed.root, injector_name(builder.observed.revision)
    if ObjectKey(CONFIG_MAP.name, root, name) in builder.observed.objects:
        builder.add(fields_object(ObjectKey(INJECTOR_VALUES, root, name), resource_of(obj), obj["spec"]))
        return
    builder.reject(
        obj,
        UNSUPPORTED,
        f"ConfigMap {root}/{name} with the injector's values does not exist: "
        f"is {builder.observed.revision or 'default'} the Istio revision?",
    )


def _with_service_cidrs(builder: ProjectionBuilder, obj: IstioObject) -> IstioObject | None:
    """The object with the cluster's own service CIDRs; None, and rejected, if it asks for them and they are unknown."""
    included = obj["spec"]["includeIPRanges"].split(",")
    if SERVICE_CIDRS not in included:
        return obj
    cidrs = builder.observed.service_ranges
    if not cidrs:
        message = "the cluster does not report its service CIDRs; set them when you register it: --service-cidr"
        builder.reject(obj, SERVICE_CIDRS_UNKNOWN, message)
        return None
    ranges = [text for item in included for text in (cidrs if item == SERVICE_CIDRS else (item,))]
    return {**obj, "spec": {**obj["spec"], "includeIPRanges": ",".join(dict.fromkeys(ranges))}}
