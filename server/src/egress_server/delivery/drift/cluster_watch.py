"""Hears from the cluster itself that it may hold something else: drift is then seen at once, and not at the resync."""

import asyncio
from collections.abc import Callable

import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.delivery.retry import backoff
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.ports.target import Target

_log = structlog.get_logger(__name__)


class ClusterWatch:
    """Listens to one target at a time; `heard` is called whenever there is reason to look at it."""

    def __init__(self, cluster: str, shop: ApplierContext, heard: Callable[[], None]) -> None:
        self._cluster = cluster
        self._shop = shop
        self._heard = heard
        self._target: Target | None = None
        self._task: asyncio.Task[None] | None = None

    def to(self, target: Target) -> None:
        """Listens to `target` from now on, and no longer to another one."""
        if target is not self._target:
            self.stop()
            self._target = target
            self._task = asyncio.create_task(self._listen(target), name=f"changes of {self._cluster}")

    def stop(self) -> None:
        """Listens no more."""
        if self._task is not None:
            self._task.cancel()
        self._target = self._task = None

    async def _listen(self, target: Target) -> None:
        """Until cancelled, or for a target that can't tell until it has said so. What happened while nobody listened
        calls for a look, too."""
        failures = 0
        while True:
            told = False
            try:
                async for _ in target.changes():
                    told, failures = True, 0
                    self._heard()
            except (TransientError, PermanentError) as error:
                _log.warning("changes_not_heard", cluster=self._cluster, reason=error.reason, message=error.message)
            except Exception:  # noqa: BLE001 - whatever it is, drift must be heard of again
                _log.exception("listening_crashed", cluster=self._cluster)
            else:
                if not told:
                    return
            await asyncio.sleep(backoff(failures, self._shop.settings, self._shop.random))
            failures += 1
            self._heard()
