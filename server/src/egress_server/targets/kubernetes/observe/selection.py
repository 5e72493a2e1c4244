"""Addresses of ServiceEntries that are not in their specs: of selected workloads, and allocated by istiod."""

from collections.abc import Iterator

from egress_server.domain.istio.manifest import is_ip
from egress_server.domain.observed.inventory import MAX_ENDPOINTS, AllocatedAddress, SelectedAddresses
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.interception.survey import Survey
from egress_server.targets.kubernetes.label_selector import WorkloadSelector
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.observe.services import OtherObjects

_BY_NAME = frozenset({"DNS", "DNS_ROUND_ROBIN"})
"""Resolutions for which a workload's address may be a name."""
_WITHOUT_ADDRESSES = frozenset({None, "", "NONE"})
"""Resolutions for which istiod allocates none."""
_KIND = "ServiceEntry"
_AUTO_ALLOCATION = "networking.istio.io/enable-autoallocate-ip"


def workload_selector(entry: CachedObject) -> WorkloadSelector | None:
    """The workloads that serve a ServiceEntry; None if it does not select any."""
    selector = entry.content.get("workloadSelector")
    if not isinstance(selector, dict):
        return None
    labels: dict[str, str] = selector.get("labels") or {}
    return WorkloadSelector(entry.key.namespace, frozenset(labels.items()))


class Selection:
    """The addresses of the workloads that entries select, as far as they are known."""

    def __init__(self, observation: Observation, objects: OtherObjects, survey: Survey) -> None:
        self._observation = observation
        self._pods = survey.selected
        self._workload_entries = objects.workload_entries

    def of(self, entry: CachedObject) -> tuple[str, ...] | None:
        """Those of an entry, sorted; None if it selects no workloads, or if they are unknown or too many."""
        selector = workload_selector(entry)
        if selector is None or self._workload_entries is None or selector not in self._pods:
            return None
        addresses = {*self._pods[selector]}
        for found in self._workload_entries:
            labels = {**(found.content.get("labels") or {}), **found.labels}
            if selector.selects(found.key.namespace, labels) and not self._observation.why_ignored(found):
                addresses.add(found.content.get("address", ""))
        if entry.content.get("resolution") not in _BY_NAME:
            addresses = set(filter(is_ip, addresses))
        return tuple(sorted(addresses - {""})) if len(addresses) <= MAX_ENDPOINTS else None

    def of_managed(self) -> Iterator[SelectedAddresses]:
        """Those of all managed entries."""
        for key, found in sorted(self._observation.objects.items()):
            if key.kind == _KIND and found.managed and (addresses := self.of(found)) is not None:
                yield SelectedAddresses(key.namespace, key.name, addresses)


def allocated_addresses(observation: Observation) -> Iterator[AllocatedAddress]:
    """Those of all entries, if sidecars answer DNS queries: others don't use them. istiod ignores those of entries that
    should no longer have any."""
    if not observation.mesh_settings.dns_capture:
        return
    for key, found in sorted(observation.objects.items()):
        spec = found.content
        if (
            key.kind != _KIND
            or spec.get("addresses")
            or spec.get("resolution") in _WITHOUT_ADDRESSES
            or found.labels.get(_AUTO_ALLOCATION, "").lower() == "false"
            or observation.why_ignored(found)
        ):
            continue
        for host, address in found.allocated:
            yield AllocatedAddress(key.namespace, key.name, host, address)
