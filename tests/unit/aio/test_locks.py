"""One writer at a time per key."""

import asyncio

import pytest

from egress_server.aio.waiting import KeyedLocks


async def test_holders_of_one_key_take_turns_and_others_do_not_wait() -> None:
    """In the order of arrival."""
    locks, log = KeyedLocks(), []

    async def hold(key: str, name: str) -> None:
        async with locks.hold(key):
            log.append(f"{name} in")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append(f"{name} out")

    await asyncio.gather(hold("a", "1"), hold("a", "2"), hold("b", "3"))
    assert log == ["1 in", "3 in", "1 out", "3 out", "2 in", "2 out"]


async def test_a_failed_or_cancelled_holder_lets_go() -> None:
    """Also one that is still waiting."""
    locks = KeyedLocks()
    entered = asyncio.Event()

    async def hold() -> None:
        async with locks.hold("a"):
            entered.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiter = asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with locks.hold("a"):
            raise ZeroDivisionError
    async with asyncio.timeout(5), locks.hold("a"):
        pass
    assert locks._locks == {}
