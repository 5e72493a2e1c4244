"""Which outbound mode applies to a workload, and where it comes from.

Sidecars replace each other entirely: the oldest one that selects the workload applies, else the oldest of its namespace
without a selector, else that of the root namespace. A Sidecar without a mode falls back to MeshConfig, not to the
Sidecar that it displaces. Managed policies are written where this order makes them effective: a mode is added to the
Sidecar of a namespace that exists already, and a Sidecar that mesh-egress creates copies the egress hosts of the one
that it displaces. A foreign Sidecar that is younger than such a one has no effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.desired.effective import Effective
from egress_server.domain.istio.sidecar import EgressProxy
from egress_server.domain.model.clusters import MeshPolicyBackend, kubernetes_settings
from egress_server.domain.model.names import object_name, parse_name
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import sidecar_name
from egress_server.domain.observed.inventory import ForeignSidecar

MESH_CONFIG, INJECTOR = "istio", "istio-sidecar-injector"
"""Istio's ConfigMaps, without the revision."""
_DEFAULT_MODE = OutboundMode.ALLOW_ANY.value
_DYNAMIC_DNS = "ALLOW_ANY_DYNAMIC_DNS"


@dataclass(frozen=True, slots=True)
class EffectiveMode:
    """`mode` in Istio's spelling, set by a managed `policy` or by the foreign object `source`; Istio's default if
    neither is set. `sidecar` is the foreign Sidecar whose egress listeners apply. `egress_proxy`, if set, gets the
    connections to unregistered destinations."""

    mode: str
    policy: OutboundPolicy | None = None
    source: str = ""
    sidecar: ForeignSidecar | None = None
    egress_proxy: EgressProxy | None = None

    @property
    def decided_by(self) -> str:
        """The resource or object that sets it; empty if Istio's default applies."""
        return self.policy.name if self.policy else self.source

    @property
    def resolves_names(self) -> bool:
        """Whether the sidecar reads the requests to unregistered hosts and resolves their names itself."""
        return self.mode == _DYNAMIC_DNS

    @property
    def allows_unregistered(self) -> bool:
        """Whether connections to unregistered destinations are allowed."""
        return self.mode != OutboundMode.REGISTRY_ONLY.value


def effective_mode(effective: Effective, namespace: str, labels: Labels | None = None) -> EffectiveMode:
    """The mode for a workload of `namespace` with `labels`."""
    mesh, own = effective.outbound.get("/"), effective.outbound.get(f"{namespace}/")
    by_sidecar = mesh if _backend(effective) is not MeshPolicyBackend.MESH_CONFIG else None
    root = _without_selector(effective, effective.foreign.root_namespace, by_sidecar)
    local = _without_selector(effective, namespace, own)
    displaced = local or root
    proxy = displaced.egress_proxy if displaced else None
    # A managed Sidecar with REGISTRY_ONLY does not copy it, and those that copy that one don't have it either.
    copied = proxy if local or own is None or own.mode is not OutboundMode.REGISTRY_ONLY else None
    if found := _by_selector(effective, namespace, labels or {}, displaced, copied):
        return found
    if own:
        return EffectiveMode(own.mode.value, own, sidecar=displaced, egress_proxy=proxy)
    if local:
        return _of_sidecar(effective, local)
    if by_sidecar:
        return EffectiveMode(by_sidecar.mode.value, by_sidecar, sidecar=root, egress_proxy=proxy)
    return _of_sidecar(effective, root)


def _by_selector(
    effective: Effective,
    namespace: str,
    labels: Labels,
    displaced: ForeignSidecar | None,
    proxy: EgressProxy | None,
) -> EffectiveMode | None:
    """The mode of the oldest Sidecar that selects the workload. A managed one copies the settings of the `displaced`
    one and its egress `proxy`."""
    found = [
        (
            effective.create_time(policy.name).replace(microsecond=0),
            _object_name(policy),
            EffectiveMode(policy.mode.value, policy, sidecar=displaced, egress_proxy=proxy),
        )
        for policy in effective.outbound.values()
        if policy.scope.namespace == namespace
        and policy.scope.match_labels
        and policy.scope.match_labels.items() <= labels.items()
    ]
    found += [
        (sidecar.create_time, sidecar.name, _of_sidecar(effective, sidecar))
        for sidecar in _sidecars(effective, namespace)
        if sidecar.match_labels and sidecar.match_labels.items() <= labels.items()
    ]
    return min(found, key=lambda each: each[:2])[2] if found else None


def _of_sidecar(effective: Effective, sidecar: ForeignSidecar | None) -> EffectiveMode:
    """The mode of a foreign Sidecar, or else MeshConfig's."""
    if sidecar and sidecar.mode:
        name = sidecar_name(sidecar)
        return EffectiveMode(sidecar.mode, source=name, sidecar=sidecar, egress_proxy=sidecar.egress_proxy)
    mesh = effective.outbound.get("/")
    if mesh and _backend(effective) is not MeshPolicyBackend.SIDECAR:
        return EffectiveMode(mesh.mode.value, mesh, sidecar=sidecar)
    if effective.foreign.mesh_mode:
        source = istio_config_map(effective, MESH_CONFIG)
        return EffectiveMode(effective.foreign.mesh_mode, source=source, sidecar=sidecar)
    return EffectiveMode(_DEFAULT_MODE, sidecar=sidecar)


def istio_config_map(effective: Effective, name: str) -> str:
    """The object name of one of Istio's ConfigMaps, whose own name ends with Istio's revision on the cluster."""
    revision = kubernetes_settings(effective.cluster).istio_revision
    full = f"{name}-{revision}" if revision else name
    return object_name("ConfigMap", effective.foreign.root_namespace, full)


def _backend(effective: Effective) -> MeshPolicyBackend:
    return kubernetes_settings(effective.cluster).mesh_policy


def _without_selector(effective: Effective, namespace: str, policy: OutboundPolicy | None) -> ForeignSidecar | None:
    """The oldest foreign Sidecar of a whole namespace, unless that of the managed `policy` for it is older."""
    oldest = next((sidecar for sidecar in _sidecars(effective, namespace) if not sidecar.match_labels), None)
    managed = effective.foreign.managed_times.get(policy.name) if policy else None
    if policy is None or oldest is None or managed is None:
        return oldest
    managed_age = managed, _object_name(policy)
    return None if managed_age < (oldest.create_time, oldest.name) else oldest


def _object_name(policy: OutboundPolicy) -> str:
    """The name of its Sidecar."""
    return f"egress-{parse_name(policy.name).id}"


def _sidecars(effective: Effective, namespace: str) -> Iterator[ForeignSidecar]:
    """The foreign Sidecars of a namespace, oldest first."""
    return (sidecar for sidecar in effective.foreign.sidecars if sidecar.namespace == namespace)
