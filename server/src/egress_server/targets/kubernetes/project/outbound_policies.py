"""Outbound policies as Sidecars, without taking away what other Sidecars say.

Of all Sidecars that could hold for a workload Istio takes one, wholly: one that selects it, else its namespace's, else
the root namespace's, of equals the oldest. So where there is one for the same workloads our mode goes into it; where
there is not, ours repeats what the one that it displaces says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import KubernetesTarget, MeshPolicyBackend
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import mesh_config_name
from egress_server.targets.kubernetes.last_applied import name_of_object
from egress_server.targets.kubernetes.merge.istio_objects import _REGISTRY_ONLY, other_holders, said_mode
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, POLICY, fields_object
from egress_server.targets.kubernetes.project.builder import Projection, own

COPIED_FROM = "egress.mesh/copied-from"
"""Names the Sidecar whose settings a Sidecar of ours repeats."""
_NOT_REPEATED = frozenset({POLICY, "workloadSelector"})

Spec = Mapping[str, Any]


def fit_sidecars(draft: Projection, wanted: Sequence[IstioObject]) -> None:
    """All of them at once, the wider ones first: narrower ones repeat what these say."""
    made: dict[str, IstioObject] = {}
    for obj in sorted(
        wanted, key=lambda obj: (_labels(obj["spec"]) != {}, obj["metadata"]["namespace"] != draft.view.root)
    ):
        if draft.passes(obj) and _enforced(draft, obj):
            _fit(draft, obj, made)


def _fit(draft: Projection, obj: IstioObject, made: dict[str, IstioObject]) -> None:
    namespace, labels = obj["metadata"]["namespace"], _labels(obj["spec"])
    alike = _oldest(draft, obj, [each for each in _others(draft, namespace) if _labels(each.content) == labels])
    if alike is not None:
        _merge(draft, obj, alike)
        return
    if wider := _oldest(draft, obj, [each for each in _others(draft, namespace) if _holds_for(each, labels)]):
        name = name_of_object(wider.key)
        draft.refuse(
            obj, FOREIGN_OWNER, f"{name} is older and selects all of these workloads, so that it holds for them"
        )
        return
    if namesake := draft.namesake(obj):
        draft.refuse_owner(obj, namesake, "has this name and is not ours")
        return
    fitted = _repeating(draft, obj, made)
    if not labels:
        made[namespace] = fitted
    draft.take(fitted)


def _merge(draft: Projection, obj: IstioObject, other: CachedObject) -> None:
    """Our mode into a Sidecar that is there: where it says nothing, or the same; and something else only if allowed."""
    mode, theirs = obj["spec"][POLICY]["mode"], _others_mode(draft, other)
    forced = draft.adopted(other.key)
    if theirs not in ("", mode) and not forced:
        draft.refuse_owner(obj, other, f"says {theirs}")
        return
    draft.take(fields_object(other.key, resource_of(obj), {POLICY: {"mode": mode}}, forced=forced))


def _others_mode(draft: Projection, other: CachedObject) -> str:
    """What others say there: as long as the mode is only ours, what stood there before. So an object that is adopted no
    more is given back, and one that happened to say the same does not follow us to something else."""
    said, held = said_mode(other.content), draft.view.held.get(other.key)
    ours = held is not None and held.spec[POLICY]["mode"] == said and not other_holders(other.managed)
    return said_mode(held.was) if held is not None and ours else said


def _repeating(draft: Projection, obj: IstioObject, made: Mapping[str, IstioObject]) -> IstioObject:
    """Our own Sidecar, with the settings of the one that it displaces."""
    found = _displaced(draft, obj, made)
    if found is None:
        return obj
    name, spec, source = found
    settings = {key: value for key, value in spec.items() if key not in _NOT_REPEATED}
    policy = {**(spec.get(POLICY) or {}), **obj["spec"][POLICY]}
    if not settings and policy == obj["spec"][POLICY]:
        return obj
    fitted = own(obj, **settings, **{POLICY: policy})
    fitted["metadata"]["annotations"] = {**fitted["metadata"]["annotations"], COPIED_FROM: source or name}
    return fitted


def _displaced(draft: Projection, obj: IstioObject, made: Mapping[str, IstioObject]) -> tuple[str, Spec, str] | None:
    """Name, spec and own source of the Sidecar that would hold without `obj`."""
    namespace = obj["metadata"]["namespace"]
    narrow = bool(_labels(obj["spec"]))
    for place in ([namespace] if narrow else []) + ([draft.view.root] if namespace != draft.view.root else []):
        if ours := made.get(place):
            source = ours["metadata"]["annotations"].get(COPIED_FROM, "")
            return name_of_object(key_of(ours)), ours["spec"], source
        for other in _others(draft, place):
            if not _labels(other.content):
                return name_of_object(other.key), other.content, ""
    return None


def _enforced(draft: Projection, obj: IstioObject) -> bool:
    """In ambient mode nobody reads Sidecars, and ztunnel lets everything out."""
    namespace, mode = obj["metadata"]["namespace"], obj["spec"][POLICY]["mode"]
    labels = draft.view.namespaces[namespace]
    if mode == _REGISTRY_ONLY and labels.get("istio.io/dataplane-mode") == "ambient":
        draft.refuse(
            obj,
            UNSUPPORTED,
            f"namespace {namespace} is in ambient mode, where ztunnel does not enforce {_REGISTRY_ONLY}",
        )
        return False
    return True


def breadth(obj: IstioObject, root: str) -> int:
    """0 for the mesh's, 1 for a namespace's, 2 for one of some workloads."""
    return 2 if _labels(obj["spec"]) else int(obj["metadata"]["namespace"] != root)


def _oldest(draft: Projection, obj: IstioObject, others: Sequence[CachedObject]) -> CachedObject | None:
    """The oldest of `others`, which come in this order, if it is older than what we have there already."""
    mine = draft.view.ours(key_of(obj))
    return next((other for other in others if mine is None or other.age < mine.age), None)


def _others(draft: Projection, namespace: str) -> Sequence[CachedObject]:
    return draft.view.foreign("Sidecar", namespace)


def _holds_for(other: CachedObject, labels: Mapping[str, str]) -> bool:
    """Whether it selects every workload that has `labels`."""
    selected = _labels(other.content)
    return bool(selected) and selected.items() <= labels.items()


def _labels(spec: Spec) -> Mapping[str, str]:
    return (spec.get("workloadSelector") or {}).get("labels") or {}


def fit_mesh_config(draft: Projection, sidecar: IstioObject) -> bool:
    """The mode of the mesh's Sidecar for MeshConfig, where the cluster's registration wants it there. Whether a Sidecar
    is wanted as well."""
    backend = (draft.cluster.kubernetes or KubernetesTarget()).mesh_policy
    if breadth(sidecar, draft.view.root) > 0 or backend is MeshPolicyBackend.SIDECAR:
        return True
    root, name = draft.view.root, mesh_config_name(draft.view.revision)
    if ObjectKey(CONFIG_MAP.name, root, name) in draft.view.objects:
        spec = {POLICY: {"mode": sidecar["spec"][POLICY]["mode"]}}
        draft.take(fields_object(ObjectKey(MESH_CONFIG, root, name), resource_of(sidecar), spec))
    else:
        draft.refuse(
            sidecar,
            UNSUPPORTED,
            f"there is no ConfigMap {root}/{name} to set MeshConfig in; is {draft.view.revision or 'default'} Istio's "
            "revision? By a Sidecar alone: register the cluster again with --mesh-policy sidecar",
        )
    return backend is MeshPolicyBackend.BOTH
