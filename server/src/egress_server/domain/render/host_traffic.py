"""Which entry's settings apply to a host that several entries list: traffic settings and faults belong to a host."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import visible_namespaces

_OBJECT_NAME_PART = re.compile(r"(?=.{1,240}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class HostTraffic:
    """A host with everything that affects its traffic; `entry` is the oldest that registers it, None if there is
    none."""

    host: str
    entry: ServiceEntry | None
    faults: tuple[ActiveFault, ...]

    @property
    def namespace(self) -> str:
        """The namespace of its objects: the entry's, or else that of the first fault."""
        return self.entry.namespace if self.entry else self.faults[0].fault.namespace

    @property
    def resource(self) -> str:
        """The resource that its objects are rendered from."""
        return self.entry.name if self.entry else self.faults[0].fault.name

    @property
    def object_name(self) -> str:
        """The name of its objects. There is one per host and cluster, because Istio uses only the oldest of several. A
        host that can't be part of a Kubernetes name is replaced by its digest."""
        if _OBJECT_NAME_PART.fullmatch(self.host):
            return f"egress-{self.host}"
        return f"egress-{hashlib.sha256(self.host.encode()).hexdigest()[:16]}"


def _seen(effective: Effective) -> Iterator[ServiceEntry]:
    """The entries that some workload sees; Istio refuses routes and policies that are exported to none."""
    return (entry for entry in effective.entries if visible_namespaces(entry))


def host_traffic(effective: Effective, host: str) -> HostTraffic:
    """One host that has an entry or a fault."""
    entries = (entry for entry in _seen(effective) if host in entry.hosts)
    entry = min(entries, key=lambda each: (effective.create_times[each.name], each.name), default=None)
    return HostTraffic(host, entry, tuple(active for active in effective.faults if active.fault.host == host))


def all_host_traffic(effective: Effective) -> list[HostTraffic]:
    """Every host that has an entry or a fault, in order."""
    oldest: dict[str, ServiceEntry] = {}
    for entry in sorted(_seen(effective), key=lambda e: (effective.create_times[e.name], e.name)):
        for host in entry.hosts:
            oldest.setdefault(host, entry)
    faults: dict[str, list[ActiveFault]] = {}
    for active in effective.faults:
        faults.setdefault(active.fault.host, []).append(active)
    return [
        HostTraffic(host, oldest.get(host), tuple(faults.get(host, ())))
        for host in sorted(oldest.keys() | faults.keys())
    ]
