"""Reads and writes large messages in a thread, because parsing, checking or printing one takes longer than an event
loop may be blocked.

One thread for the whole process: several would compete with the loop for the interpreter, and get no more done. What
waits for the thread is dropped if its call is cancelled, as when its client has gone.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

LARGE_BYTES = 4 * 1024
"""A message of this size takes a millisecond or more, ten times the cost of handing it to the thread."""

T = TypeVar("T")
_THREAD = ThreadPoolExecutor(1, "large-messages")


async def off_loop(size: int, work: Callable[[], T]) -> T:
    """The result of `work`, which converts a message of `size` bytes and touches nothing that others change."""
    if size < LARGE_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)
