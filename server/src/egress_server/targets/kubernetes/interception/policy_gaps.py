"""Who a mesh-wide REGISTRY_ONLY does not hold: Sidecars that say otherwise or nothing, pods without a sidecar, and pods
some of whose connections go past it."""

from collections.abc import Iterable, Iterator, Mapping

from egress_server.domain.observed.inventory import ForeignSidecar, PolicyGap, PolicyGapKind
from egress_server.domain.simulate.interception import CAPTURE_ALL, CaptureRules
from egress_server.targets.kubernetes.interception.pods import Owner, Pod

_REGISTRY_ONLY, _ALLOW_ANY = "REGISTRY_ONLY", "ALLOW_ANY"


def sidecar_gaps(sidecars: Iterable[ForeignSidecar], mesh_mode: str) -> Iterator[PolicyGap]:
    """Of Sidecars that nothing of ours is in. One without a mode falls to MeshConfig's, not to the root namespace's
    Sidecar, which it replaces wholly."""
    for sidecar in sidecars:
        if sidecar.mode == _ALLOW_ANY:
            why, kind = "it says ALLOW_ANY", PolicyGapKind.SIDECAR_ALLOWS_ANY
        elif not sidecar.mode and mesh_mode != _REGISTRY_ONLY:
            why = f"it says no mode, so MeshConfig's holds: {mesh_mode or 'not known'}"
            kind = PolicyGapKind.SIDECAR_WITHOUT_MODE
        else:
            continue
        yield PolicyGap(kind, "Sidecar", sidecar.namespace, sidecar.name, why)


def pod_gaps(pods: Iterable[Pod], namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[PolicyGap]:
    """Of workloads in namespaces whose pods get sidecars (`namespaces` has the labels of each), one each."""
    found: dict[Owner, PolicyGap] = {}
    for pod in pods:
        if pod.owner not in found and (gap := _of_pod(pod, namespaces.get(pod.namespace, {}))):
            found[pod.owner] = gap
    for owner in sorted(found, key=lambda owner: (owner.namespace, owner.name, owner.kind)):
        yield found[owner]


def is_meshed(labels: Mapping[str, str]) -> bool:
    """Whether a namespace asks for sidecars."""
    return labels.get("istio-injection") == "enabled" or "istio.io/rev" in labels


def _of_pod(pod: Pod, namespace: Mapping[str, str]) -> PolicyGap | None:
    owner = pod.owner

    def gap(kind: PolicyGapKind, why: str) -> PolicyGap:
        return PolicyGap(kind, owner.kind, owner.namespace, owner.name, why)

    if pod.ambient:
        return gap(PolicyGapKind.AMBIENT, "ztunnel carries its traffic, which does not heed REGISTRY_ONLY")
    if not pod.has_sidecar:
        if not is_meshed(namespace):
            return None
        why = "it uses the node's network" if pod.host_network else "its pods have no sidecar"
        return gap(PolicyGapKind.NOT_CAPTURED, why)
    if pod.rules is None:
        return gap(PolicyGapKind.NOT_CAPTURED, "nothing sends its connections to its sidecar")
    if pod.rules == CAPTURE_ALL or not (past := "; ".join(_past(pod.rules))):
        return None
    return gap(PolicyGapKind.EXCLUDED, f"past its sidecar go connections {past}")


def _past(rules: CaptureRules) -> Iterator[str]:
    if rules.exclude_ports:
        yield f"to port {', '.join(map(str, sorted(rules.exclude_ports)))}"
    if rules.exclude:
        yield f"to {', '.join(rules.exclude)}"
    if not rules.include:
        yield "to every address"
    elif CAPTURE_ALL.include[0] not in rules.include:
        yield f"to all but {', '.join(rules.include)}"
