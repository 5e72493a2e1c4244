"""Real servers, one per process and kind; each test has its own mesh there."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.contract.benches import Bench, redis_bench
from tests.support.redis import SERVERS, ServerPool

_meshes = count(1)


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerPool]:
    """The servers of this process."""
    with ExitStack() as stack:
        yield ServerPool(stack)


@pytest.fixture(scope="session", params=SERVERS)
def redis_url(request: pytest.FixtureRequest, servers: ServerPool) -> str:
    """The address of each supported server."""
    return servers.url(request.param)


@pytest.fixture
def mesh() -> str:
    """The name of a fresh mesh."""
    return f"m{next(_meshes)}"


@pytest.fixture
async def bench(redis_url: str, mesh: str) -> AsyncIterator[Bench]:
    """A fresh mesh on each server."""
    async with redis_bench(redis_url, mesh) as bench:
        yield bench
