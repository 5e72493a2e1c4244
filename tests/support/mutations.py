"""Commits as a command makes them, for tests of the store."""

import asyncio
from collections.abc import Callable
from itertools import count

from egress_server.domain.desired.snapshot import Snapshot, buckets_of
from egress_server.domain.model.changes import ChangeRecord, ChangeType
from egress_server.domain.model.resources import Protocol, Resolution, ServiceEntry, ServicePort
from egress_server.ports.store import Commit, Committed, Replica, RequestKey, Stale, Store

_numbers = count()


def entry(snapshot: Snapshot, name: str, *hosts: str, protocol: Protocol = Protocol.HTTP) -> ServiceEntry:
    """A service entry of the snapshot's mesh."""
    return ServiceEntry(
        f"meshes/{snapshot.mesh}/namespaces/prod/serviceEntries/{name}",
        hosts or (f"{name}.example.com",),
        (ServicePort(80, protocol, "http"),),
        Resolution.DNS,
    )


def mutation(
    snapshot: Snapshot,
    resource: ServiceEntry,
    *,
    request_id: str = "",
    fingerprint: str = "f" * 64,
    deletes: bool = False,
    read: frozenset[str] = frozenset(),
    reason: str = "",
) -> Commit:
    """The commit of a command that sets or deletes `resource`, based on `snapshot`."""
    request_id = request_id or f"request-{next(_numbers)}"
    kind = ChangeType.DELETE if deletes else ChangeType.SET
    return Commit(
        mesh=snapshot.mesh,
        epoch=snapshot.epoch,
        revision=snapshot.revision,
        read=read | {f"key/{resource.name}"},
        touch=buckets_of(resource),
        resource=resource,
        deletes=deletes,
        record=ChangeRecord(kind, resource.name, "local:tester", request_id, reason),
        request=RequestKey("local:tester", "UpsertServiceEntry", request_id, fingerprint),
    )


def setting(name: str, *hosts: str) -> Callable[[Snapshot], Commit]:
    """Sets the entry `name` on any snapshot."""
    return lambda snapshot: mutation(snapshot, entry(snapshot, name, *hosts))


def deleting(name: str) -> Callable[[Snapshot], Commit]:
    """Deletes the entry `name` on any snapshot."""
    return lambda snapshot: mutation(snapshot, entry(snapshot, name), deletes=True)


async def insist(store: Store, replica: Replica, make: Callable[[Snapshot], Commit]) -> Committed:
    """Commits what `make` decides on the snapshot, again on a newer one while it is stale."""
    while True:
        try:
            outcome = await store.commit(make(replica.snapshot))
        except Stale as stale:
            await replica.wait_revision(stale.revision, 5)
            await asyncio.sleep(0)
        else:
            replica.committed(outcome)
            return outcome
