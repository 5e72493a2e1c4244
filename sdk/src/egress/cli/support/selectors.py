"""Where a resource applies, in words."""

from egress.cli.support.values import joined
from egress.v1.common_pb2 import ClusterSelector, Scope


def scope(scope: Scope) -> str:
    """The namespace and workloads a policy holds for."""
    return " ".join(part for part in (scope.namespace, joined(scope.match_labels)) if part) or "mesh"


def clusters(selector: ClusterSelector) -> str:
    """The clusters a resource applies to."""
    return ",".join(selector.clusters) or joined(selector.match_labels) or "all"
