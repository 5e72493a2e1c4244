"""What operators see of delivery: one trace from a call to each apply, a resync on request, and times."""

import asyncio
from datetime import timedelta

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from egress_server.ports.store import Arrival
from egress_server.telemetry.metrics import REGISTRY
from egress_server.telemetry.tracing import apply_span
from tests.support.doubles.memory_target import loop_time
from tests.support.meshes import BIRTH, entry
from tests.support.virtual_time import virtual_time
from tests.unit.delivery.world import World

EXPORTER = InMemorySpanExporter()


def traceparent(number: int) -> str:
    """A sampled call's."""
    return f"00-{number:032x}-{number:016x}-01"


def arrival(revision: int, number: int = 0) -> Arrival:
    """A change, of a traced call if `number` is given."""
    return Arrival(revision, BIRTH, traceparent(number) if number else "")


def spans(*arrivals: Arrival) -> list[tuple[int, int, list[int]]]:
    """Trace, parent and links of the spans of one apply."""
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    EXPORTER.clear()
    with apply_span("east", 7, [each.traceparent for each in arrivals]):
        pass
    return [
        (span.context.trace_id, span.parent.span_id, [link.context.trace_id for link in span.links])
        for span in {span.context.span_id: span for span in EXPORTER.get_finished_spans() if span.context}.values()
        if span.context and span.parent
    ]


def test_a_span_in_the_newest_change_s_trace() -> None:
    """An apply belongs to the trace of the newest traced change it brings, and is linked to the others."""
    assert spans(arrival(4, 1), arrival(5), arrival(6, 2)) == [(2, 2, [1])]


def test_no_span_where_nothing_is_traced() -> None:
    """Untraced changes cost no span."""
    assert spans(arrival(4), arrival(5)) == []


def observed(name: str) -> float:
    """The sum of a histogram."""
    return REGISTRY.get_sample_value(f"{name}_sum") or 0.0


@virtual_time
async def test_time_from_acceptance() -> None:
    """The age of the oldest change in an apply is measured by the store's clock."""
    world = World()
    async with world.driven():
        await world.applied()
        before = observed("egress_rollout_duration_seconds")
        world.store.accepted = BIRTH + timedelta(seconds=loop_time() - 3)
        world.targets["east"].seconds = 2.0
        world.set(entry("bank"))
        await world.applied()
    assert 4.9 < observed("egress_rollout_duration_seconds") - before < 5.2


@virtual_time
async def test_a_fresh_look_on_request() -> None:
    """A requested resync reconciles that cluster immediately, and no other."""
    world = World(entry("bank"), clusters=("east", "west"))
    async with world.driven():
        await world.applied("east")
        await world.applied("west")
        await asyncio.sleep(1)
        world.targets["east"].objects.clear()
        await world.store.ask_resync("default", "east")
        await world.until(lambda: len(world.targets["east"].objects) == 1, seconds=0.3)
        assert (world.targets["east"].gathers, world.targets["west"].gathers) == (2, 1)
        world.replica.wake()
        await asyncio.sleep(1)
        assert world.targets["east"].gathers == 2


@virtual_time
async def test_a_resync_does_not_wait_for_the_back_off() -> None:
    """A failed cluster is retried on request, not only after its pause."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        world.targets["east"].failures = [ZeroDivisionError("a bug")]
        world.set(entry("shop"))
        await asyncio.sleep(1)
        assert world.status().problem is not None
        await world.store.ask_resync("default", "east")
        await world.applied(seconds=0.3)


@virtual_time
async def test_deregistered() -> None:
    """A deregistered cluster is released and keeps what it holds."""
    world = World(entry("bank"), clusters=("east", "west"))
    async with world.driven():
        await world.applied()
        cluster = world.replica.snapshot.cluster("east")
        assert cluster is not None
        world.delete(cluster)
        await world.until(lambda: world.targets.forgotten == ["east"])
        gathers = world.targets["east"].gathers
        world.set(entry("shop"))
        await world.applied("west")
        assert (world.targets["east"].gathers, len(world.targets["east"].objects)) == (gathers, 1)


@virtual_time
async def test_draining() -> None:
    """A cluster that is about to be deregistered loses all managed objects, the witness too."""
    world = World(entry("bank"))
    async with world.driven():
        await world.applied()
        cluster = world.replica.snapshot.cluster("east")
        assert cluster is not None
        world.set(type(cluster)(cluster.name, cluster.target, draining=True))
        await world.applied()
        assert (world.targets["east"].objects, world.targets["east"].witness) == ({}, None)
        writes = len(world.targets["east"].writes)
        await asyncio.sleep(120)
        assert len(world.targets["east"].writes) == writes
