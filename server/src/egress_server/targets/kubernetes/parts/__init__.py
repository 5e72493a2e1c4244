"""Our parts of objects that are not ours, one file a kind: how they are read, written and taken back."""

from collections.abc import Mapping

from egress_server.domain.render.objects import ObjectKey
from egress_server.targets.kubernetes.api.kinds import (
    CONFIG_MAP,
    DESTINATION_RULE,
    SERVICE_ENTRY,
    SIDECAR,
    VIRTUAL_SERVICE,
    Kind,
)
from egress_server.targets.kubernetes.parts.injector import INJECTOR_VALUES, InjectorPart
from egress_server.targets.kubernetes.parts.mesh_config import MESH_CONFIG, MeshConfigPart
from egress_server.targets.kubernetes.parts.part import Part
from egress_server.targets.kubernetes.parts.sidecar import SidecarPart
from egress_server.targets.kubernetes.parts.virtual_service import VirtualServicePart
from egress_server.targets.kubernetes.parts.whole import WholePart

PARTS: Mapping[str, tuple[Part, Kind]] = {
    SIDECAR.name: (SidecarPart(), SIDECAR),
    VIRTUAL_SERVICE.name: (VirtualServicePart(), VIRTUAL_SERVICE),
    SERVICE_ENTRY.name: (WholePart(), SERVICE_ENTRY),
    DESTINATION_RULE.name: (WholePart(), DESTINATION_RULE),
    MESH_CONFIG: (MeshConfigPart(), CONFIG_MAP),
    INJECTOR_VALUES: (InjectorPart(), CONFIG_MAP),
}
"""How the parts of a kind are dealt with, and the kind of the object that they are part of."""


def home_of(key: ObjectKey) -> ObjectKey:
    """The object that a part is part of."""
    return ObjectKey(PARTS[key.kind][1].name, key.namespace, key.name)
