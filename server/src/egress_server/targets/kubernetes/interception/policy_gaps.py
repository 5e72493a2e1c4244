"""Who is not covered by a mesh-wide REGISTRY_ONLY: Sidecars with another mode or none, pods without a sidecar, and pods
some of whose connections bypass it."""

from collections.abc import Iterable, Iterator, Mapping

from egress_server.domain.observed.inventory import ForeignSidecar, PolicyGap, PolicyGapKind
from egress_server.domain.simulate.interception import CAPTURE_ALL, describe_bypassed
from egress_server.targets.kubernetes.interception.pods import Pod, PodOwner

_REGISTRY_ONLY, _ALLOW_ANY = "REGISTRY_ONLY", "ALLOW_ANY"


def sidecar_gaps(sidecars: Iterable[ForeignSidecar], mesh_mode: str) -> Iterator[PolicyGap]:
    """Those of Sidecars in which we set nothing. One without a mode falls back to MeshConfig, not to the root
    namespace's Sidecar, which it replaces as a whole."""
    for sidecar in sidecars:
        if sidecar.mode == _ALLOW_ANY:
            reason, kind = "it sets ALLOW_ANY", PolicyGapKind.SIDECAR_ALLOWS_ANY
        elif not sidecar.mode and mesh_mode != _REGISTRY_ONLY:
            reason = f"it sets no mode, so MeshConfig's applies: {mesh_mode or 'not known'}"
            kind = PolicyGapKind.SIDECAR_WITHOUT_MODE
        else:
            continue
        yield PolicyGap(kind, "Sidecar", sidecar.namespace, sidecar.name, reason)


def pod_gaps(pods: Iterable[Pod], namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[PolicyGap]:
    """Those of workloads in namespaces whose pods get sidecars, one for each; `namespaces` has their labels."""
    found: dict[PodOwner, PolicyGap] = {}
    for pod in pods:
        if pod.owner not in found and (gap := _of_pod(pod, namespaces.get(pod.namespace, {}))):
            found[pod.owner] = gap
    for owner in sorted(found, key=lambda owner: (owner.namespace, owner.name, owner.kind)):
        yield found[owner]


def is_meshed(labels: Mapping[str, str]) -> bool:
    """Whether a namespace has injection enabled."""
    return labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels


def _of_pod(pod: Pod, namespace: Mapping[str, str]) -> PolicyGap | None:
    owner = pod.owner

    def gap(kind: PolicyGapKind, reason: str) -> PolicyGap:
        return PolicyGap(kind, owner.kind, owner.namespace, owner.name, reason)

    if pod.ambient:
        return gap(PolicyGapKind.AMBIENT, "its traffic goes through ztunnel, which does not enforce REGISTRY_ONLY")
    if not pod.has_sidecar:
        if not is_meshed(namespace):
            return None
        reason = "it uses the node's network" if pod.host_network else "its pods have no sidecar"
        return gap(PolicyGapKind.NOT_CAPTURED, reason)
    if pod.rules is None:
        return gap(PolicyGapKind.NOT_CAPTURED, "its connections are not redirected to its sidecar")
    if pod.rules == CAPTURE_ALL or not (bypassed := describe_bypassed(pod.rules)):
        return None
    return gap(PolicyGapKind.EXCLUDED, f"its sidecar is bypassed by connections {bypassed}")
