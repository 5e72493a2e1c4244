"""What an entry changes for the clients of a host that others register as well."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, visible_namespaces
from egress_server.domain.simulate.merging import Registration, managed, serving

_UNNAMED = ""  # a namespace that no entry names: it sees what is exported to all
_YOUNGEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HostView:
    """What clients in the namespace `viewer` get of a host. `lost` are the ports that they would have without the
    entry; `unserved` are ports of the entry that they see but don't get. `first` is the other registration that
    decides: without the entry for `lost`, and with it for `unserved`. `served`: they get the entry."""

    viewer: str
    first: Registration
    served: bool
    lost: frozenset[int] = frozenset()
    unserved: frozenset[int] = frozenset()

    @property
    def clients(self) -> str:
        """The clients, for messages."""
        return f"namespace {self.viewer}" if self.viewer else "every namespace without an entry of its own"


def registration(snapshot: Snapshot, entry: ServiceEntry) -> Registration:
    """The registration by a managed entry, which is the youngest if it does not exist yet."""
    known = snapshot.get(entry.name)
    return managed(entry, known.create_time if known else _YOUNGEST)


def oldest_first(snapshot: Snapshot, entries: Iterable[ServiceEntry]) -> list[ServiceEntry]:
    """The entries by age; those that do not exist yet are the youngest."""
    registrations = (registration(snapshot, entry) for entry in entries)
    return [each.entry for each in sorted(registrations, key=lambda each: (each.create_time, each.entry.name))]


def views(others: Collection[Registration], new: Registration) -> Iterator[HostView]:
    """What clients in each namespace get of a host that `others` register, if both they and the entry matter there."""
    if not others:
        return
    viewers = {viewer for each in (*others, new) for viewer in _viewers(each.entry)}
    for viewer in sorted(viewers):
        before, after = serving(others, viewer), serving([*others, new], viewer)
        if not before or not new.entry.visible_to(viewer):
            continue
        served = new in after
        first = before[0] if served else after[0]
        lost, unserved = ports_of(before) - ports_of(after), new.ports - ports_of(after)
        yield HostView(viewer, first, served, lost, unserved)


def ports_of(registrations: Iterable[Registration]) -> frozenset[int]:
    """The ports of all of them."""
    return frozenset(port for each in registrations for port in each.ports)


def _viewers(entry: ServiceEntry) -> set[str]:
    """The namespaces that see the entry or that it belongs to."""
    return {_UNNAMED if to == ANY_NAMESPACE else to for to in (*visible_namespaces(entry), entry.namespace)}
