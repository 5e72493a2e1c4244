"""How the owned fields of each kind are read, written and restored."""

from collections.abc import Mapping

from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.kinds import (
    CONFIG_MAP,
    DESTINATION_RULE,
    SERVICE_ENTRY,
    SIDECAR,
    VIRTUAL_SERVICE,
    ApiKind,
)
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES, InjectorFields
from egress_server.targets.kubernetes.merge.istio_objects import SidecarFields, VirtualServiceFields, WholeSpec
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG, MeshConfigFields
from egress_server.targets.kubernetes.merge.owned_fields import OwnedFields

OWNED_FIELDS: Mapping[str, tuple[OwnedFields, ApiKind]] = {
    SIDECAR.name: (SidecarFields(), SIDECAR),
    VIRTUAL_SERVICE.name: (VirtualServiceFields(), VIRTUAL_SERVICE),
    SERVICE_ENTRY.name: (WholeSpec(), SERVICE_ENTRY),
    DESTINATION_RULE.name: (WholeSpec(), DESTINATION_RULE),
    MESH_CONFIG: (MeshConfigFields(), CONFIG_MAP),
    INJECTOR_VALUES: (InjectorFields(), CONFIG_MAP),
}
"""By kind of the fields object: its fields, and the kind of the object that contains them."""


def containing_object(key: ObjectKey) -> ObjectKey:
    """The object that contains the fields."""
    return ObjectKey(OWNED_FIELDS[key.kind][1].name, key.namespace, key.name)
