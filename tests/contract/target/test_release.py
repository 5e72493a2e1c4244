"""A drained cluster is left as if it had never been managed."""

import pytest

from tests.contract.target.benches.bench import TargetBench
from tests.support.meshes import entry, fault, policy

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESIRED = (entry("bank"), policy("REGISTRY_ONLY"), fault("broken"))


async def test_nothing_managed_is_left(bench: TargetBench) -> None:
    """No object and no witness, for every process. The cluster can be managed again."""
    await bench.process.reconcile(*DESIRED)
    await bench.process.release()
    another = await bench.another()
    live = await another.live()
    assert (dict(live.objects), live.witness) == ({}, None)
    assert await another.reconcile(*DESIRED) == {}
    assert (await another.plan(*DESIRED)).changes == ()
    assert (await another.live()).witness == another.witness()


async def test_release_of_an_empty_cluster(bench: TargetBench) -> None:
    """Nothing to do is not a failure, also if it is done twice."""
    await bench.process.release()
    await bench.process.release()
    assert (await bench.process.live()).witness is None
