"""Which objects of a cluster are watched."""

from dataclasses import dataclass

from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.kinds import STATE_CONFIG_MAP, ApiKind

_INJECTOR = "istio-sidecar-injector"


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """What one reflector watches: a kind, in one namespace or all, and only the object of one name if given. An
    `optional` kind that our credentials do not permit to watch counts as one that the cluster does not serve."""

    kind: ApiKind
    namespace: str = ""
    name: str = ""
    optional: bool = False

    @property
    def fields(self) -> str:
        """As a field selector."""
        return f"metadata.name={self.name}" if self.name else ""


UNEVALUATED_KINDS = (kinds.ENVOY_FILTER, kinds.WASM_PLUGIN, *kinds.GATEWAY_ROUTES)
"""Kinds that may change what sidecars do, and of which only that is known."""
OPTIONAL_KINDS = (kinds.ENDPOINT_SLICE, kinds.WORKLOAD_ENTRY, *UNEVALUATED_KINDS)
"""Kinds that decide only in a few cases; credentials of older installations do not permit to watch them."""


def mesh_config_name(revision: str) -> str:
    """The ConfigMap that holds MeshConfig."""
    return _of_revision("istio", revision)


def injector_name(revision: str) -> str:
    """The ConfigMap that holds the injector's values."""
    return _of_revision(_INJECTOR, revision)


def revision_of_injector(name: str) -> str:
    """The revision in the name of an injector's ConfigMap."""
    return name.removeprefix(_INJECTOR).removeprefix("-")


def watch_specs(root: str, revision: str) -> tuple[WatchSpec, ...]:
    """Of Istio's ConfigMaps, only those of this revision."""
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
        *(WatchSpec(kind, optional=True) for kind in OPTIONAL_KINDS),
    )


def _of_revision(name: str, revision: str) -> str:
    return f"{name}-{revision}" if revision and revision != "default" else name
