"""Where messages are converted."""

import asyncio
import threading

import pytest

from egress_server.aio.large_messages import LARGE_BYTES, off_loop
from tests.support.waiting import until


async def test_a_small_message_is_converted_at_once() -> None:
    """Handing it to a thread would cost more."""
    assert await off_loop(LARGE_BYTES - 1, threading.current_thread) is threading.current_thread()


async def test_large_messages_are_read_one_at_a_time_off_the_loop() -> None:
    """All by the same thread, which is not that of the event loop."""
    threads = await asyncio.gather(*(off_loop(LARGE_BYTES, threading.get_ident) for _ in range(5)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_an_error_is_raised_to_the_caller() -> None:
    """As if it had been converted on the loop."""
    with pytest.raises(ValueError, match="invalid literal"):
        await off_loop(LARGE_BYTES, lambda: int("x"))


async def test_what_nobody_waits_for_is_not_converted() -> None:
    """A call that is cancelled before its turn is dropped; those after it have their turn."""
    release, read = threading.Event(), list[str]()
    blocking = asyncio.create_task(off_loop(LARGE_BYTES, release.wait))
    gone = asyncio.create_task(off_loop(LARGE_BYTES, lambda: read.append("gone")))
    there = asyncio.create_task(off_loop(LARGE_BYTES, lambda: read.append("there")))
    await asyncio.sleep(0)
    gone.cancel()
    await until(gone.done)
    release.set()
    await asyncio.gather(blocking, there)
    assert read == ["there"]
