"""Any calls in any order: each store does what the model does."""

from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import count

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.benches import MemoryBench, StoreBench, redis_bench
from tests.contract.store.conftest import MEMORY, STORES
from tests.contract.store.machine import EXAMPLES, machine_over
from tests.support.redis import ServerPool

_meshes = count(1)


@pytest.mark.parametrize("which", STORES)
def test_any_calls(which: str, servers: ServerPool) -> None:
    """Commits, leases, records, inventories, resyncs and reads, by two processes, as time passes."""

    def open_bench() -> AbstractAsyncContextManager[StoreBench]:
        if which == MEMORY:
            return nullcontext(MemoryBench())
        return redis_bench(servers.url(which), f"machine{next(_meshes)}")

    run_state_machine_as_test(machine_over(open_bench), settings=EXAMPLES[which])
