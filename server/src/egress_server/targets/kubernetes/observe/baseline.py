"""What Istio's ConfigMaps come to where nothing of ours is in them: what holds again once our policies go."""

from collections.abc import Mapping

from egress_server.domain.model.objects import ObjectKey
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.configmap import injector
from egress_server.targets.kubernetes.configmap.mesh_config import KEY, effective_mode, restore_mode, written_mode
from egress_server.targets.kubernetes.configmap.splice import Before, SpliceError
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import injector_name, mesh_config_name
from egress_server.targets.kubernetes.merge.injector import INJECTOR_VALUES
from egress_server.targets.kubernetes.merge.mesh_config import MESH_CONFIG, POLICY
from egress_server.targets.kubernetes.observe.observation import Observation


def injector_values(objects: Mapping[ObjectKey, CachedObject], root: str, revision: str) -> dict[str, str]:
    """What the injector gives new pods now; empty where it is not known."""
    found = objects.get(ObjectKey(CONFIG_MAP.name, root, injector_name(revision)))
    text = found.content.get(injector.KEY) if found else None
    try:
        return injector.read_values(text) if text else {}
    except SpliceError:
        return {}


def injector_without_us(view: Observation) -> dict[str, str]:
    """What it would give them; empty where that is not known."""
    values = injector_values(view.objects, view.root, view.revision)
    held = view.held.get(ObjectKey(INJECTOR_VALUES, view.root, injector_name(view.revision)))
    if not held or not values:
        return values
    found = view.objects[ObjectKey(CONFIG_MAP.name, view.root, injector_name(view.revision))]
    ours = {name: Before(**was) for name, was in held.was["before"].items() if values.get(name) == held.spec[name]}
    try:
        return injector.read_values(injector.restore_values(found.content[injector.KEY], ours))
    except SpliceError:
        return {}


def mesh_config(view: Observation) -> str | None:
    """MeshConfig's text; None where there is no such ConfigMap."""
    found = view.objects.get(ObjectKey(CONFIG_MAP.name, view.root, mesh_config_name(view.revision)))
    return None if found is None else found.content.get(KEY, "")


def mode_without_us(view: Observation) -> str:
    """The mesh's outbound mode; empty where it is not known."""
    text = mesh_config(view)
    if text is None:
        return ""
    held = view.held.get(ObjectKey(MESH_CONFIG, view.root, mesh_config_name(view.revision)))
    try:
        if held and written_mode(text) == held.spec[POLICY]["mode"]:
            text = restore_mode(text, Before(**held.was["before"]))
    except SpliceError:
        return ""
    return effective_mode(text)
