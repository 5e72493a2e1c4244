"""Ended faults are removed with nothing but the cluster."""

import asyncio
from datetime import timedelta

import pytest

from egress_server.domain.model.errors import TransientError
from egress_server.domain.model.objects import ObjectKey
from tests.contract.target.benches.bench import TargetBench, Topic, needs
from tests.support.meshes import entry, fault
from tests.support.target_driver import FUTURE, TargetDriver

pytestmark = pytest.mark.asyncio(loop_scope="session")

HALF_AN_HOUR = FUTURE + timedelta(minutes=30)
BROKEN, SLOW = fault("broken"), fault("slow", ttl=3600.0, ports=(80,))
DESIRED = (entry("bank"), BROKEN, SLOW)


async def routes(process: TargetDriver) -> list[str]:
    """The names of the routes of bank.example.com."""
    live = await process.live()
    http = live.objects[ObjectKey("VirtualService", "default", "egress-bank.example.com")]["spec"]["http"]
    return [route["name"] for route in http]


async def test_ended_faults_are_removed(bench: TargetBench) -> None:
    """By a process that has just started and has gathered nothing. The witness stays as it is."""
    former = bench.process
    await former.reconcile(*DESIRED)
    assert await routes(former) == ["fault-default.slow", "fault-default.broken=fallback"]
    process = await bench.another()
    await process.target.strip_ended(HALF_AN_HOUR)
    another = await bench.another()
    assert await routes(another) == ["fault-default.slow", "fallback"]
    assert (await another.live()).witness == former.witness()
    assert (await another.plan(*DESIRED, now=HALF_AN_HOUR)).changes == ()


@needs(Topic.VERSIONS)
async def test_nothing_is_written_if_nothing_has_ended(bench: TargetBench) -> None:
    """It is called on time, and by several processes."""
    await bench.process.reconcile(*DESIRED)
    before = await bench.versions()
    await bench.process.target.strip_ended(FUTURE + timedelta(minutes=1))
    assert await bench.versions() == before


async def test_on_a_cluster_that_was_never_managed(bench: TargetBench) -> None:
    """There is nothing to do, and it does not look managed afterwards."""
    await bench.process.target.strip_ended(HALF_AN_HOUR)
    live = await bench.process.live()
    assert (dict(live.objects), live.witness) == ({}, None)


async def test_during_a_reconcile(bench: TargetBench) -> None:
    """Neither undoes the other. A conflict is allowed, which the next reconcile resolves."""
    process = bench.process
    await process.reconcile(*DESIRED)
    desired = (entry("bank", hosts=("bank.example.com", "also.example.com")), BROKEN, SLOW)
    results = await asyncio.gather(
        process.reconcile(*desired, now=HALF_AN_HOUR),
        process.target.strip_ended(HALF_AN_HOUR),
        return_exceptions=True,
    )
    failures = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(failure, TransientError) and failure.reason == "CONFLICT" for failure in failures)
    assert await process.reconcile(*desired, now=HALF_AN_HOUR) == {}
    assert await routes(process) == ["fault-default.slow", "fallback"]
    assert (await process.plan(*desired, now=HALF_AN_HOUR)).changes == ()
