"""The cost of watchers of one mesh for its store."""

from collections.abc import Sequence
from typing import Any

from egress_server.commands.change_broadcaster import ChangeBroadcaster
from egress_server.domain.model.changes import Change
from tests.support.doubles.memory_store import MemoryReplica
from tests.support.meshes import entry
from tests.unit.commands.fakes import FakeStore


class Counting(FakeStore):
    """Counts how often changes are read."""

    reads = 0

    async def changes(self, *args: Any, **kwargs: Any) -> Sequence[Change]:
        """See the port."""
        self.reads += 1
        return await super().changes(*args, **kwargs)


async def test_a_change_before_the_readers_first_turn() -> None:
    """A change that is committed right after watchers have joined is read once, and not once per watcher."""
    store = Counting()
    broadcaster = ChangeBroadcaster(store, MemoryReplica(store), "default")
    async with broadcaster.join() as news, broadcaster.join():
        store.put(entry())
        await news.wait()
        for _ in range(2):
            (change,) = await broadcaster.changes(0)
            assert change.revision == 1
    assert store.reads == 1
