"""Which entries of one host istiod merges into one service, as `canMergeServices` in Istio's sidecar.go decides.

Of entries that it does not merge, sidecars have the clusters of the oldest only: the ports that only a younger one
declares have listeners and routes, but those lead nowhere.
"""

from dataclasses import dataclass

from egress_server.domain.model.names import is_resource
from egress_server.domain.model.objects import MANAGED_BY
from egress_server.domain.model.resources import Resolution, ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, Labels


@dataclass(frozen=True, slots=True)
class MergeKey:
    """What must be equal: two entries of one host are merged only if their keys are equal."""

    namespace: str
    kubernetes: bool
    resolution: Resolution
    labels: frozenset[tuple[str, str]]
    workload_selector: frozenset[tuple[str, str]]
    export_to: frozenset[str]


def merge_key(entry: ServiceEntry, labels: Labels | None = None) -> MergeKey:
    """The key of a managed entry, whose object has our label and says where it is exported to, or of a foreign one with
    the `labels` of its object."""
    is_managed = is_resource(entry.name)
    own = {**entry.labels, **MANAGED_BY} if is_managed else labels or {}
    return MergeKey(
        namespace=entry.namespace,
        kubernetes=entry.name.startswith("Service/"),
        resolution=entry.resolution,
        labels=frozenset(own.items()),
        workload_selector=frozenset(entry.workload_selector.items()),
        export_to=frozenset(entry.export_to or ((ANY_NAMESPACE,) if is_managed else ())),
    )
