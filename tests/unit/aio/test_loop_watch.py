"""The watch of the event loop."""

import time

from egress_server.aio.loop_watch import TICK_SECONDS, LoopWatch
from tests.support.waiting import until


async def test_it_sees_what_blocks_the_loop() -> None:
    """A step that blocks the loop is observed with its length, less at most a tick."""
    seen: list[float] = []
    watch = LoopWatch(seen.append)
    watch.start()
    await until(lambda: len(seen) > 1)
    time.sleep(0.1)  # noqa: ASYNC251 - this is the point
    await until(lambda: max(seen) >= 0.1 - TICK_SECONDS)
    watch.stop()
