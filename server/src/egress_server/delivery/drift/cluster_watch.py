"""Watches a cluster for changes by other clients, so that drift is noticed now and not at the next resync."""

import asyncio
from collections.abc import Callable

from egress_server.aio.waiting import Interruptible
from egress_server.delivery.settings import DeliverySettings
from egress_server.ports.target import Target


class ClusterWatch:
    """Watches one target at a time; `changed` is called when the cluster should be reconciled."""

    def __init__(self, settings: DeliverySettings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._target: Target | None = None
        self._wanted = asyncio.Event()
        self._watching = Interruptible()
        self._interrupted = False

    def to(self, target: Target) -> None:
        """Watches `target` from now on, instead of any former one."""
        if target is not self._target:
            self._target = target
            self._interrupted = False
            self._wanted.set()
            self._watching.interrupt()

    async def run(self) -> None:
        """Watches until cancelled. Raises what the target raises; called again, it reports that it may have missed
        changes meanwhile."""
        while True:
            await self._wanted.wait()
            assert self._target is not None
            if self._interrupted:
                self._changed()
            self._interrupted = True
            await self._watching.run(self._watch(self._target))

    async def _watch(self, target: Target) -> None:
        """One watch. A target that ends it without reporting anything can't report changes, and is left alone."""
        reported = False
        async for _ in target.changes():
            reported = True
            self._changed()
        if reported:
            await asyncio.sleep(self._settings.backoff.pause(1))
        else:
            self._wanted.clear()
