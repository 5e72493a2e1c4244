"""Any calls and accidents in any order: each kind of target does what the model says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.contract.target.benches.bench import TargetBench, Topic
from tests.contract.target.benches.directory import DirectoryBench
from tests.contract.target.benches.kubernetes import kubernetes_in_memory
from tests.contract.target.benches.local import LocalBench
from tests.contract.target.benches.memory import memory
from tests.contract.target.machine import SETTINGS, Setup, machine_over
from tests.support.virtual_time import VirtualLoop


def test_memory() -> None:
    """In virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        run_state_machine_as_test(machine_over(Setup(memory, runner.get_loop())), settings=SETTINGS)


@pytest.mark.parametrize(("kind", "examples"), [("directory", 15), ("local", 5), ("kubernetes", 5)])
def test_real_time(kind: str, examples: int, tmp_path: Path) -> None:
    """One loop for all examples, as an Envoy belongs to one. A failure is not shrunk, which would take minutes."""
    local = LocalBench(tmp_path / "cluster")
    benches = {"directory": directory, "local": lambda: reset(local), "kubernetes": kubernetes_in_memory}
    with asyncio.Runner() as runner:
        setup = Setup(benches[kind], runner.get_loop(), COSTLY[kind])
        try:
            tries = settings(SETTINGS, max_examples=examples, phases=[Phase.reuse, Phase.generate])
            run_state_machine_as_test(machine_over(setup), settings=tries)
        finally:
            runner.run(local.close())


COSTLY = {
    "directory": frozenset[Topic](),
    "local": frozenset[Topic](),
    "kubernetes": frozenset({Topic.OUTAGE, Topic.CREATION_ORDER}),
}
"""What takes seconds each time, and is left to the other tests."""


@asynccontextmanager
async def directory() -> AsyncIterator[TargetBench]:
    """A new folder."""
    with TemporaryDirectory() as folder:
        bench = DirectoryBench(Path(folder))
        yield bench
        await bench.close()


@asynccontextmanager
async def reset(local: LocalBench) -> AsyncIterator[TargetBench]:
    """A new cluster with the same Envoy."""
    await local.reset()
    yield local
