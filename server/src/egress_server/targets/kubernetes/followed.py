"""What of a cluster is followed all the time."""

from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.following.reflector import Followed
from egress_server.targets.kubernetes.state import NAME

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


def followed(root: str, revision: str) -> tuple[Followed, ...]:
    """Of Istio's ConfigMaps only those of the revision."""
    config_maps = (NAME, mesh_config_name(revision), injector_name(revision))
    return (
        Followed(kinds.SERVICE_ENTRY),
        Followed(kinds.VIRTUAL_SERVICE),
        Followed(kinds.DESTINATION_RULE),
        Followed(kinds.SIDECAR),
        *(Followed(kinds.CONFIG_MAP, root, name) for name in config_maps),
        Followed(kinds.ADMISSION_POLICY),
        Followed(kinds.ADMISSION_BINDING),
        Followed(kinds.NAMESPACE),
        Followed(kinds.SERVICE),
        Followed(kinds.SERVICE_CIDR),
    )


def _of_revision(name: str, revision: str) -> str:
    return f"{name}-{revision}" if revision and revision != "default" else name
