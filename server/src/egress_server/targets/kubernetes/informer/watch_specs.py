"""What of a cluster is followed all the time."""

from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.kinds import STATE_CONFIG_MAP
from egress_server.targets.kubernetes.informer.reflector import WatchSpec

_INJECTOR = "istio-sidecar-injector"


def mesh_config_name(revision: str) -> str:
    """The ConfigMap that holds MeshConfig."""
    return _of_revision("istio", revision)


def injector_name(revision: str) -> str:
    """The ConfigMap that holds the injector's values."""
    return _of_revision(_INJECTOR, revision)


def revision_of_injector(name: str) -> str:
    """The other way round."""
    return name.removeprefix(_INJECTOR).removeprefix("-")


def watch_specs(root: str, revision: str) -> tuple[WatchSpec, ...]:
    """Of Istio's ConfigMaps only those of the revision."""
    config_maps = (STATE_CONFIG_MAP, mesh_config_name(revision), injector_name(revision))
    return (
        WatchSpec(kinds.SERVICE_ENTRY),
        WatchSpec(kinds.VIRTUAL_SERVICE),
        WatchSpec(kinds.DESTINATION_RULE),
        WatchSpec(kinds.SIDECAR),
        *(WatchSpec(kinds.CONFIG_MAP, root, name) for name in config_maps),
        WatchSpec(kinds.ADMISSION_POLICY),
        WatchSpec(kinds.ADMISSION_BINDING),
        WatchSpec(kinds.NAMESPACE),
        WatchSpec(kinds.SERVICE),
        WatchSpec(kinds.SERVICE_CIDR),
    )


def _of_revision(name: str, revision: str) -> str:
    return f"{name}-{revision}" if revision and revision != "default" else name
