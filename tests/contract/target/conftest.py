"""Every kind of target passes the same tests, but for the topics that it opts out of (see benches/bench.py).

The real API server runs them in tests/mesh/kubernetes/test_contract.py.
"""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.contract.target.benches.bench import TargetBench, topics_of
from tests.contract.target.benches.directory import DirectoryBench
from tests.contract.target.benches.kubernetes import KubernetesBench, kubernetes_in_memory
from tests.contract.target.benches.local import LocalBench
from tests.contract.target.benches.memory import MemoryBench

MEMORY, DIRECTORY, LOCAL, KUBERNETES = "memory", "directory", "local", "kubernetes"
KINDS: Mapping[str, type[TargetBench]] = {
    MEMORY: MemoryBench,
    DIRECTORY: DirectoryBench,
    LOCAL: LocalBench,
    KUBERNETES: KubernetesBench,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test once for each kind that promises its topics."""
    if "bench" in metafunc.fixturenames:
        needed = topics_of(metafunc.function)
        kinds = [kind for kind, bench in KINDS.items() if not needed & bench.opt_outs.keys()]
        metafunc.parametrize("bench", kinds, indirect=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalBench]:
    """One Envoy for all tests of this process, from its first `reset` on."""
    bench = LocalBench(tmp_path_factory.mktemp("local") / "cluster")
    yield bench
    await bench.close()


@pytest_asyncio.fixture(loop_scope="session")
async def bench(request: pytest.FixtureRequest, local_bench: LocalBench, tmp_path: Path) -> AsyncIterator[TargetBench]:
    """A new cluster."""
    if request.param == LOCAL:
        await local_bench.reset()
        yield local_bench
    elif request.param == KUBERNETES:
        async with kubernetes_in_memory() as kubernetes:
            yield kubernetes
    else:
        opened = MemoryBench() if request.param == MEMORY else DirectoryBench(tmp_path)
        yield opened
        await opened.close()
