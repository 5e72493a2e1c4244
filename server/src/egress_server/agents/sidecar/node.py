"""Whose sidecar it is, as it says itself: the agent need not be told what its pod is called.

Istio gives every sidecar the name, namespace and labels of its pod to tell istiod; policy goes by the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson


@dataclass(frozen=True, slots=True)
class SidecarNode:
    """A sidecar that serves. Texts are empty where it does not say."""

    pod: str = ""
    namespace: str = ""
    cluster: str = ""
    interception: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def parse_node(page: bytes) -> SidecarNode:
    """The sidecar of Envoy's page `/server_info`; raises OSError where it does not serve yet, or the page is none."""
    try:
        info = orjson.loads(page)
        state, node = info["state"], info.get("node", {})
        metadata = node.get("metadata", {})
        labels = {str(key): str(value) for key, value in metadata.get("LABELS", {}).items()}
        parts = str(node.get("id", "")).split("~")  # sidecar~ADDRESS~POD.NAMESPACE~DOMAIN
        pod, _, namespace = parts[2].rpartition(".") if len(parts) == 4 else ("", "", "")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OSError(f"the sidecar's /server_info can't be read: {error!r}") from error
    if state != "LIVE":
        raise OSError(f"the sidecar is {state}, not LIVE")
    return SidecarNode(
        pod=pod,
        namespace=str(metadata.get("NAMESPACE") or namespace),
        cluster=str(metadata.get("CLUSTER_ID", "")),
        interception=str(metadata.get("INTERCEPTION_MODE", "")),
        labels=labels,
    )
