"""The suite of the ports Store, ApplierStore, Replica and AgentBus: over the in-memory doubles and each real server.

No test here is left out for any of them. What only a real server has (keys, connections, the audit trail, retention)
is tested in tests/contract/redis.
"""

from collections.abc import AsyncIterator

import pytest

from egress_server.ports.store import Replica
from tests.contract.benches import MemoryBench, StoreBench, redis_bench
from tests.support.redis import SERVERS, ServerPool

MEMORY = "memory"
STORES = (MEMORY, *SERVERS)


@pytest.fixture(params=STORES)
async def bench(request: pytest.FixtureRequest, servers: ServerPool, mesh: str) -> AsyncIterator[StoreBench]:
    """A fresh mesh in each store."""
    if request.param == MEMORY:
        yield MemoryBench(mesh)
        return
    async with redis_bench(servers.url(request.param), mesh) as on_server:
        yield on_server


@pytest.fixture
async def other(bench: StoreBench) -> Replica:
    """Another process's replica: that process makes no commits."""
    return await bench.another_replica()
