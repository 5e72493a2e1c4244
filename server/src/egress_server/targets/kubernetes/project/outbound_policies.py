"""Outbound policies as Sidecars and in MeshConfig, without discarding the settings of other Sidecars.

Of all Sidecars that match a workload Istio uses exactly one: one that selects it, else its namespace's, else the root
namespace's; of equals the oldest. So if there is a Sidecar for the same workloads, our mode goes into it; if not, a
managed one copies the settings of the one that it replaces. A Sidecar overrides MeshConfig and survives an upgrade of
Istio; MeshConfig applies wherever a Sidecar sets no mode.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from egress_server.domain.model.clusters import MeshPolicyBackend, kubernetes_settings
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import mesh_config_name
from egress_server.targets.kubernetes.last_applied import object_name
from egress_server.targets.kubernetes.merge.istio_objects import REGISTRY_ONLY, other_managers, sidecar_mode
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, POLICY, fields_object
from egress_server.targets.kubernetes.project.builder import ProjectionBuilder, managed_object

COPIED_FROM = "egress.mesh/copied-from"
"""Names the Sidecar whose settings a managed Sidecar copies."""
_NOT_COPIED = frozenset({POLICY, "workloadSelector"})
_EGRESS_PROXY = "egressProxy"
"""Istio accepts one only where unregistered destinations are allowed."""

Spec = Mapping[str, Any]


def project_mesh_config(builder: ProjectionBuilder, sidecar: IstioObject) -> bool:
    """Sets the mode of a mesh-wide Sidecar in MeshConfig too, if the cluster is registered that way. Returns whether
    the Sidecar itself is wanted as well."""
    backend = kubernetes_settings(builder.cluster).mesh_policy
    root, revision = builder.observed.root, builder.observed.revision
    is_mesh_wide = sidecar["metadata"]["namespace"] == root and not _labels(sidecar["spec"])
    if not is_mesh_wide or backend is MeshPolicyBackend.SIDECAR:
        return True
    name = mesh_config_name(revision)
    if ObjectKey(CONFIG_MAP.name, root, name) in builder.observed.objects:
        spec = {POLICY: {"mode": sidecar["spec"][POLICY]["mode"]}}
        builder.add(fields_object(ObjectKey(MESH_CONFIG, root, name), resource_of(sidecar), spec))
    else:
        builder.reject(
            sidecar,
            UNSUPPORTED,
            f"ConfigMap {root}/{name} with MeshConfig does not exist: is {revision or 'default'} the Istio revision? "
            "To use a Sidecar alone, register the cluster again with --mesh-policy sidecar",
        )
    return backend is MeshPolicyBackend.BOTH


def project_sidecars(builder: ProjectionBuilder, desired: Sequence[IstioObject]) -> None:
    """All of them together, wider scopes first: narrower ones copy their settings."""
    by_namespace: dict[str, IstioObject] = {}
    root = builder.observed.root
    for obj in sorted(desired, key=lambda obj: (_labels(obj["spec"]) != {}, obj["metadata"]["namespace"] != root)):
        if builder.accepts(obj) and _is_enforced(builder, obj):
            _project_sidecar(builder, obj, by_namespace)


def _project_sidecar(builder: ProjectionBuilder, obj: IstioObject, by_namespace: dict[str, IstioObject]) -> None:
    """`by_namespace` has the managed Sidecars for whole namespaces so far."""
    namespace, labels = obj["metadata"]["namespace"], _labels(obj["spec"])
    foreign = builder.observed.foreign("Sidecar", namespace)
    if same := _oldest(builder, obj, [each for each in foreign if _labels(each.content) == labels]):
        _merge(builder, obj, same)
        return
    if wider := _oldest(builder, obj, [each for each in foreign if _selects_all(each, labels)]):
        name = object_name(wider.key)
        builder.reject(obj, FOREIGN_OWNER, f"{name} is older and selects all of these workloads, so Istio uses it")
        return
    if namesake := builder.foreign_namesake(obj):
        builder.reject_foreign(obj, namesake, "has this name and is not managed by mesh-egress")
        return
    sidecar = _with_copied_settings(builder, obj, by_namespace)
    if not labels:
        by_namespace[namespace] = sidecar
    builder.add(sidecar)


def _merge(builder: ProjectionBuilder, obj: IstioObject, foreign: CachedObject) -> None:
    """Sets our mode in an unmanaged Sidecar that sets none, or the same. To override another one, the Sidecar must be
    adopted."""
    mode, foreign_mode = obj["spec"][POLICY]["mode"], _foreign_mode(builder, foreign)
    forced = builder.is_adopted(foreign.key)
    if foreign_mode not in ("", mode) and not forced:
        builder.reject_foreign(obj, foreign, f"sets {foreign_mode}")
        return
    if mode == REGISTRY_ONLY and _EGRESS_PROXY in (foreign.content.get(POLICY) or {}):
        name = object_name(foreign.key)
        problem = f"{name} has an {_EGRESS_PROXY}, which Istio refuses together with {REGISTRY_ONLY}: remove it"
        builder.reject(obj, FOREIGN_OWNER, problem)
        return
    builder.add(fields_object(foreign.key, resource_of(obj), {POLICY: {"mode": mode}}, forced=forced))


def _foreign_mode(builder: ProjectionBuilder, foreign: CachedObject) -> str:
    """The mode that others set: if only we set the current one, the one before it. So an object that is no longer
    adopted is released, and one that happened to have our mode does not follow us to another."""
    mode, saved = sidecar_mode(foreign.content), builder.observed.saved.get(foreign.key)
    is_ours = saved is not None and saved.spec[POLICY]["mode"] == mode and not other_managers(foreign.managed_fields)
    return sidecar_mode(saved.previous) if saved is not None and is_ours else mode


def _with_copied_settings(
    builder: ProjectionBuilder, obj: IstioObject, by_namespace: Mapping[str, IstioObject]
) -> IstioObject:
    """Our own Sidecar, with the settings of the one that it replaces."""
    replaced = _replaced(builder, obj, by_namespace)
    if replaced is None:
        return obj
    name, spec, source = replaced
    settings = {key: value for key, value in spec.items() if key not in _NOT_COPIED}
    policy = {**(spec.get(POLICY) or {}), **obj["spec"][POLICY]}
    if policy["mode"] == REGISTRY_ONLY:
        policy.pop(_EGRESS_PROXY, None)
    if not settings and policy == obj["spec"][POLICY]:
        return obj
    sidecar = managed_object(obj, **settings, **{POLICY: policy})
    sidecar["metadata"]["annotations"] = {**sidecar["metadata"]["annotations"], COPIED_FROM: source or name}
    return sidecar


def _replaced(
    builder: ProjectionBuilder, obj: IstioObject, by_namespace: Mapping[str, IstioObject]
) -> tuple[str, Spec, str] | None:
    """Name, spec and own source of the Sidecar that Istio would use without `obj`."""
    namespace, root = obj["metadata"]["namespace"], builder.observed.root
    own = [namespace] if _labels(obj["spec"]) else []
    for candidate in own + ([root] if namespace != root else []):
        if sidecar := by_namespace.get(candidate):
            source = sidecar["metadata"]["annotations"].get(COPIED_FROM, "")
            return object_name(key_of(sidecar)), sidecar["spec"], source
        for foreign in builder.observed.foreign("Sidecar", candidate):
            if not _labels(foreign.content):
                return object_name(foreign.key), foreign.content, ""
    return None


def _is_enforced(builder: ProjectionBuilder, obj: IstioObject) -> bool:
    """Rejects REGISTRY_ONLY in ambient mode: Sidecars are ignored there, and ztunnel blocks nothing."""
    namespace, mode = obj["metadata"]["namespace"], obj["spec"][POLICY]["mode"]
    labels = builder.observed.namespaces[namespace]
    if mode == REGISTRY_ONLY and labels.get("istio.io/dataplane-mode") == "ambient":
        message = f"namespace {namespace} is in ambient mode, where ztunnel does not enforce {REGISTRY_ONLY}"
        builder.reject(obj, UNSUPPORTED, message)
        return False
    return True


def _oldest(builder: ProjectionBuilder, obj: IstioObject, foreign: Sequence[CachedObject]) -> CachedObject | None:
    """The first of `foreign`, which is sorted by age, if it is older than the managed object that already exists."""
    existing = builder.observed.managed(key_of(obj))
    return next((each for each in foreign if existing is None or each.age < existing.age), None)


def _selects_all(foreign: CachedObject, labels: Mapping[str, str]) -> bool:
    """Whether it selects every workload that has `labels`."""
    selected = _labels(foreign.content)
    return bool(selected) and selected.items() <= labels.items()


def _labels(spec: Spec) -> Mapping[str, str]:
    return (spec.get("workloadSelector") or {}).get("labels") or {}
