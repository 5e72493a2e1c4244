"""Traffic settings that don't apply to some clients that see their entry: those get the host from another one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.same_host import oldest_first
from egress_server.domain.model.resources import ServiceEntry, TrafficSettings
from egress_server.domain.model.selectors import selectors_overlap
from egress_server.domain.render.host_traffic import OTHER_CLIENTS, clients_of, provider

_NO_SETTINGS = TrafficSettings()


@dataclass(frozen=True, slots=True)
class Override:
    """`clients`, which are namespaces, see the entry `loser` but get the host from `winner`, with other settings."""

    loser: ServiceEntry
    winner: ServiceEntry
    clients: tuple[str, ...]

    @property
    def whom(self) -> str:
        """The clients, for messages."""
        named = [f"namespace {client}" for client in self.clients if client != OTHER_CLIENTS]
        return " and ".join([*named, *(["every other namespace"] if OTHER_CLIENTS in self.clients else [])])


def entries_of_host(
    snapshot: Snapshot, entry: ServiceEntry, host: str
) -> tuple[list[ServiceEntry], list[ServiceEntry]]:
    """The entries of a host that may be on a cluster with `entry`, oldest first, before and after it is set. Both are
    empty if there are no others, as for most hosts: then nothing can be overridden."""
    before = [
        other
        for other in snapshot.entries_with_host(host).values()
        if selectors_overlap(other.cluster_selector, entry.cluster_selector)
    ]
    others = [other for other in before if other.name != entry.name]
    if not others:
        return [], []
    return oldest_first(snapshot, before), oldest_first(snapshot, [*others, entry])


def overrides(
    entry: ServiceEntry, before: Sequence[ServiceEntry], after: Sequence[ServiceEntry], *, own_entries: bool
) -> Iterator[Override]:
    """Where settings of `entry` don't apply, and where it newly causes that for other entries: either because the
    clients have an entry in their own namespace, or for other reasons."""
    known = {(loser.name, winner.name, client) for loser, winner, client in _overridden(before)}
    found: dict[tuple[str, str], list[tuple[ServiceEntry, ServiceEntry, str]]] = {}
    for loser, winner, client in _overridden(after):
        is_new = (loser.name, winner.name, client) not in known
        if (client == winner.namespace) == own_entries and (loser is entry or (winner is entry and is_new)):
            found.setdefault((loser.name, winner.name), []).append((loser, winner, client))
    for rows in found.values():
        yield Override(rows[0][0], rows[0][1], tuple(client for _, _, client in rows))


def _overridden(entries: Sequence[ServiceEntry]) -> Iterable[tuple[ServiceEntry, ServiceEntry, str]]:
    for client in clients_of(entries):
        used = provider(entries, client)
        for entry in entries:
            differs = used and used is not entry and entry.traffic not in (_NO_SETTINGS, used.traffic)
            if used and differs and entry.visible_to(client):
                yield entry, used, client
