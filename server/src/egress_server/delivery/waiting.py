"""Waiting with an end."""

import asyncio


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Waits until `event` is set; False after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
