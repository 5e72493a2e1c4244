"""The mesh-wide outbound policy in MeshConfig, beside the root namespace's Sidecar or instead of it.

The Sidecar beats MeshConfig and outlives an upgrade of Istio; MeshConfig holds where a Sidecar says no mode.
"""

from egress_server.domain.model.clusters import MeshPolicyBackend, kubernetes_settings
from egress_server.domain.model.objects import IstioObject, ObjectKey, resource_of
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.informer.watch_specs import mesh_config_name
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG, POLICY
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.project.projection import Projection
from egress_server.targets.kubernetes.project.sidecars import breadth


def fit_mesh_config(draft: Projection, sidecar: IstioObject) -> bool:
    """The mode of the mesh's Sidecar for MeshConfig, where the cluster's registration wants it there. Whether a Sidecar
    is wanted as well."""
    backend = kubernetes_settings(draft.cluster).mesh_policy
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
