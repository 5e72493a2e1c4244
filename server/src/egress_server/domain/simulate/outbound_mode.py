"""Which outbound mode holds for a workload, and who says so.

Sidecars replace each other wholly: the oldest of those that select the workload, else the oldest of its namespace
without a selector, else that of the root namespace. One that says no mode leaves it to MeshConfig, not to the Sidecar
that it displaces. Our own policies are put where this order makes them hold: a mode of ours goes into the Sidecar of a
namespace that is there already, and one that we create has the egress hosts of the one that it displaces.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.names import object_name
from egress_server.domain.model.resources import (
    KubernetesTarget,
    Labels,
    MeshPolicyBackend,
    OutboundMode,
    OutboundPolicy,
)
from egress_server.domain.observed.foreign_config import sidecar_name
from egress_server.domain.observed.inventory import ForeignSidecar

BY_DEFAULT = OutboundMode.ALLOW_ANY.value
"""What holds where nobody says anything."""


@dataclass(frozen=True, slots=True)
class EffectiveMode:
    """`mode` as Istio spells it, by `policy` of ours or by `speaker`, an object that is not; by Istio's default where
    both are empty. `sidecar` is the one that is not ours and whose egress hosts hold."""

    mode: str
    policy: OutboundPolicy | None = None
    speaker: str = ""
    sidecar: ForeignSidecar | None = None

    @property
    def lets_pass(self) -> bool:
        """Whether what nobody registered may leave."""
        return self.mode != OutboundMode.REGISTRY_ONLY.value


def effective_mode(wanted: Effective, namespace: str, labels: Labels | None = None) -> EffectiveMode:
    """The mode for a workload of `namespace` with `labels`."""
    root = _without_selector(wanted, wanted.beside.root_namespace)
    near = _without_selector(wanted, namespace)
    if found := _selecting(wanted, namespace, labels or {}, near or root):
        return found
    if policy := wanted.outbound.get(f"{namespace}/"):
        return EffectiveMode(policy.mode.value, policy, sidecar=near or root)
    if near:
        return _spoken(wanted, near)
    mesh = wanted.outbound.get("/")
    if mesh and _backend(wanted) is not MeshPolicyBackend.MESH_CONFIG:
        return EffectiveMode(mesh.mode.value, mesh, sidecar=root)
    return _spoken(wanted, root)


def _selecting(
    wanted: Effective, namespace: str, labels: Labels, displaced: ForeignSidecar | None
) -> EffectiveMode | None:
    """By the oldest Sidecar that selects the workload."""
    found = [
        (wanted.created[policy.name], policy.name, EffectiveMode(policy.mode.value, policy, sidecar=displaced))
        for policy in wanted.outbound.values()
        if policy.scope.namespace == namespace
        and policy.scope.match_labels
        and policy.scope.match_labels.items() <= labels.items()
    ]
    found += [
        (sidecar.create_time, sidecar_name(sidecar), _spoken(wanted, sidecar))
        for sidecar in _sidecars(wanted, namespace)
        if sidecar.match_labels and sidecar.match_labels.items() <= labels.items()
    ]
    return min(found, key=lambda each: each[:2])[2] if found else None


def _spoken(wanted: Effective, sidecar: ForeignSidecar | None) -> EffectiveMode:
    """What a Sidecar says, or MeshConfig in its stead."""
    if sidecar and sidecar.mode:
        return EffectiveMode(sidecar.mode, speaker=sidecar_name(sidecar), sidecar=sidecar)
    mesh = wanted.outbound.get("/")
    if mesh and _backend(wanted) is not MeshPolicyBackend.SIDECAR:
        return EffectiveMode(mesh.mode.value, mesh, sidecar=sidecar)
    if wanted.beside.mesh_mode:
        return EffectiveMode(wanted.beside.mesh_mode, speaker=config_map(wanted, "istio"), sidecar=sidecar)
    return EffectiveMode(BY_DEFAULT, sidecar=sidecar)


def config_map(wanted: Effective, name: str) -> str:
    """Object name of a ConfigMap of Istio's, whose own name ends with the revision that the cluster follows."""
    revision = wanted.cluster.kubernetes.istio_revision if wanted.cluster.kubernetes else ""
    full = f"{name}-{revision}" if revision else name
    return object_name("ConfigMap", wanted.beside.root_namespace, full)


def _backend(wanted: Effective) -> MeshPolicyBackend:
    return (wanted.cluster.kubernetes or KubernetesTarget()).mesh_policy


def _without_selector(wanted: Effective, namespace: str) -> ForeignSidecar | None:
    return next((sidecar for sidecar in _sidecars(wanted, namespace) if not sidecar.match_labels), None)


def _sidecars(wanted: Effective, namespace: str) -> Iterator[ForeignSidecar]:
    """Those that are not ours, the oldest first."""
    return (sidecar for sidecar in wanted.beside.sidecars if sidecar.namespace == namespace)
