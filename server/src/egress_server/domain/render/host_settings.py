"""Which entry speaks for a host, where several list it: traffic settings and faults hang on the host, not the entry."""

import hashlib
import re
from dataclasses import dataclass

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.resources import ServiceEntry

_NAMEABLE = re.compile(r"(?=.{1,240}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class HostTraffic:
    """A host with all that treats its traffic; `entry` is the oldest that registers it, None where none does."""

    host: str
    entry: ServiceEntry | None
    faults: tuple[ActiveFault, ...]

    @property
    def namespace(self) -> str:
        """Where its objects live: with the entry, else with the first fault."""
        return self.entry.namespace if self.entry else self.faults[0].fault.namespace

    @property
    def resource(self) -> str:
        """The resource that its objects are rendered from."""
        return self.entry.name if self.entry else self.faults[0].fault.name

    @property
    def object_name(self) -> str:
        """Name of its objects: one per host on a cluster, as Istio takes only the oldest of several. A host that can't
        be part of a Kubernetes name is there by its digest."""
        if _NAMEABLE.fullmatch(self.host):
            return f"egress-{self.host}"
        return f"egress-{hashlib.sha256(self.host.encode()).hexdigest()[:16]}"


def traffic_of(wanted: Effective, host: str) -> HostTraffic:
    """One host that is registered or disturbed."""
    entries = (entry for entry in wanted.entries if host in entry.hosts)
    entry = min(entries, key=lambda each: (wanted.created[each.name], each.name), default=None)
    return HostTraffic(host, entry, tuple(active for active in wanted.faults if active.fault.host == host))


def hosts_of(wanted: Effective) -> list[HostTraffic]:
    """Every host that is registered or disturbed, in order."""
    speakers: dict[str, ServiceEntry] = {}
    for entry in sorted(wanted.entries, key=lambda e: (wanted.created[e.name], e.name)):
        for host in entry.hosts:
            speakers.setdefault(host, entry)
    disturbed: dict[str, list[ActiveFault]] = {}
    for active in wanted.faults:
        disturbed.setdefault(active.fault.host, []).append(active)
    return [
        HostTraffic(host, speakers.get(host), tuple(disturbed.get(host, ())))
        for host in sorted(speakers.keys() | disturbed.keys())
    ]
