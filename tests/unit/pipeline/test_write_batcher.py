"""Mutations enter in groups."""

import asyncio

from egress_server.pipeline.write_batcher import FREE, WriteBatcher


class Visit:
    """Enters a batcher, and leaves it when the test allows it."""

    def __init__(self, gate: WriteBatcher) -> None:
        self._entered = asyncio.Event()
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(gate))

    async def _visit(self, gate: WriteBatcher) -> None:
        async with gate:
            self._entered.set()
            await self._leave.wait()

    @property
    def inside(self) -> bool:
        """Whether it was admitted."""
        return self._entered.is_set()

    async def enter(self) -> None:
        """Waits until it is inside."""
        await self._entered.wait()

    async def end(self) -> None:
        """Leaves."""
        self._leave.set()
        await self.task


async def visits(gate: WriteBatcher, count: int) -> list[Visit]:
    """This many that have arrived, one after the other."""
    found = [Visit(gate) for _ in range(count)]
    await asyncio.sleep(0)
    return found


async def turn() -> None:
    """Every admitted caller has entered."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_the_first_go_in_at_once() -> None:
    """A single caller never waits."""
    gate = WriteBatcher()
    assert all(visit.inside for visit in await visits(gate, FREE))


async def test_those_that_come_meanwhile_go_in_together_when_the_first_are_done() -> None:
    """A caller that arrives when there is space again also waits for the group, so that none is overtaken forever."""
    gate = WriteBatcher()
    first = await visits(gate, FREE)
    waiting = await visits(gate, 3)
    assert not any(visit.inside for visit in waiting)
    for visit in first[1:]:
        await visit.end()
    waiting += await visits(gate, 1)
    assert not any(visit.inside for visit in waiting)
    await first[0].end()
    await turn()
    assert all(visit.inside for visit in waiting)


async def test_none_waits_long_for_one_that_does_not_end() -> None:
    """A group is admitted after a while in any case."""
    gate = WriteBatcher()
    await visits(gate, FREE)
    (late,) = await visits(gate, 1)
    async with asyncio.timeout(10):
        await late.enter()


async def test_a_failed_or_cancelled_one_delays_none() -> None:
    """Neither inside nor while it waits."""
    gate = WriteBatcher()
    first = await visits(gate, FREE)
    gone, stays = await visits(gate, 2)
    for visit in (gone, *first):
        visit.task.cancel()
    await asyncio.gather(gone.task, *(visit.task for visit in first), return_exceptions=True)
    await turn()
    assert stays.inside
    assert not gone.inside
    await stays.end()
    assert all(visit.inside for visit in await visits(gate, FREE))
