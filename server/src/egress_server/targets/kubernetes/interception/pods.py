"""Pods as far as interception is concerned: who owns them, and which rules they were created with.

The rules are the arguments of istio-init; if Istio's CNI plugin sets them instead, the annotations that the injector
left for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from egress_server.domain.simulate.interception import CaptureRules, parse_rules
from egress_server.targets.kubernetes.api.client import Object

INCLUDE_RANGES = "traffic.sidecar.istio.io/includeOutboundIPRanges"
EXCLUDE_RANGES = "traffic.sidecar.istio.io/excludeOutboundIPRanges"
INCLUDE_PORTS = "traffic.sidecar.istio.io/includeOutboundPorts"
EXCLUDE_PORTS = "traffic.sidecar.istio.io/excludeOutboundPorts"
VALUE_BY_ANNOTATION = {
    INCLUDE_RANGES: "includeIPRanges",
    EXCLUDE_RANGES: "excludeIPRanges",
    INCLUDE_PORTS: "includeOutboundPorts",
    EXCLUDE_PORTS: "excludeOutboundPorts",
}
"""The injector's value that each annotation overrides."""
_VALUE_BY_FLAG = {
    "-i": "includeIPRanges",
    "-x": "excludeIPRanges",
    "-q": "includeOutboundPorts",
    "-o": "excludeOutboundPorts",
}
_UNSET = dict.fromkeys(VALUE_BY_ANNOTATION.values(), "")
_CNI_DEFAULTS = {"includeIPRanges": "*"}
_REDIRECTION = "ambient.istio.io/redirection"
_PROXY, _INIT = "istio-proxy", "istio-init"
_TERMINATED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class PodOwner:
    """What a pod belongs to and would be recreated by: Deployment, StatefulSet, DaemonSet, or the pod itself."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """KIND/NAMESPACE/NAME"""
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Pod:
    """`rules` are those it runs with; None if it has no sidecar, or none that captures connections. A pod that is
    not ready has no `addresses`."""

    namespace: str
    name: str
    owner: PodOwner
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    rules: CaptureRules | None
    has_sidecar: bool
    host_network: bool
    ambient: bool
    addresses: tuple[str, ...] = ()


def read_pod(obj: Object) -> Pod | None:
    """The pod; None if it has terminated."""
    metadata, spec = obj["metadata"], obj["spec"]
    if obj.get("status", {}).get("phase") in _TERMINATED or "deletionTimestamp" in metadata:
        return None
    containers = (*spec.get("containers", ()), *spec.get("initContainers", ()))
    annotations = metadata.get("annotations") or {}
    has_sidecar = any(container["name"] == _PROXY for container in containers)
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        owner=_owner(metadata),
        labels=metadata.get("labels") or {},
        annotations={name: value for name, value in annotations.items() if name in VALUE_BY_ANNOTATION},
        rules=_rules(containers, annotations) if has_sidecar else None,
        has_sidecar=has_sidecar,
        host_network=bool(spec.get("hostNetwork")),
        ambient=annotations.get(_REDIRECTION) == "enabled",
        addresses=_ready_addresses(obj.get("status") or {}),
    )


def _ready_addresses(status: Mapping[str, Any]) -> tuple[str, ...]:
    if not any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()):
        return ()
    addresses = [each["ip"] for each in status.get("podIPs") or () if "ip" in each]
    return tuple(addresses or ([status["podIP"]] if status.get("podIP") else []))


def values_of(annotations: Mapping[str, str], mesh: Mapping[str, str]) -> dict[str, str]:
    """The injector's values for a pod with these annotations, which override those of the mesh."""
    own = {VALUE_BY_ANNOTATION[name]: value for name, value in annotations.items() if name in VALUE_BY_ANNOTATION}
    return {**_UNSET, **mesh, **own}


def _rules(containers: Sequence[Mapping[str, Any]], annotations: Mapping[str, str]) -> CaptureRules | None:
    init = next((container for container in containers if container["name"] == _INIT), None)
    if init is None:  # set by Istio's CNI plugin, if at all
        if annotations.get("sidecar.istio.io/interceptionMode") in (None, "NONE"):
            return None
        return parse_rules(values_of(annotations, _CNI_DEFAULTS))
    arguments = dict(pairwise(init.get("args", ())))
    return parse_rules({**_UNSET, **{value: arguments.get(flag, "") for flag, value in _VALUE_BY_FLAG.items()}})


def _owner(metadata: Mapping[str, Any]) -> PodOwner:
    namespace = metadata["namespace"]
    references = metadata.get("ownerReferences") or ()
    reference = next((each for each in references if each.get("controller")), None)
    if reference is None:
        return PodOwner("Pod", namespace, metadata["name"])
    kind, name = reference["kind"], reference["name"]
    template = (metadata.get("labels") or {}).get("pod-template-hash", "")
    if kind == "ReplicaSet" and template and name.endswith(f"-{template}"):
        return PodOwner("Deployment", namespace, name.removesuffix(f"-{template}"))
    return PodOwner(kind, namespace, name)
