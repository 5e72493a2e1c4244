"""Digests of revisions, asked of the store once for all clusters that are at the same one."""

import asyncio

from egress_server.ports.clock import Monotonic
from egress_server.ports.store import ApplierStore

_KEPT_SECONDS = 1.0


class Digests:
    """Remembers for a moment only: a store that is replaced meanwhile must not hide behind us."""

    def __init__(self, store: ApplierStore, mesh: str, monotonic: Monotonic) -> None:
        self._store = store
        self._mesh = mesh
        self._monotonic = monotonic
        self._known: dict[int, str] = {}
        self._since = 0.0
        self._lock = asyncio.Lock()

    async def of(self, revision: int) -> str | None:
        """The digest of a revision; None where the store does not have it. Raises what the store raises."""
        async with self._lock:
            if self._monotonic() - self._since > _KEPT_SECONDS:
                self._known = {}
                self._since = self._monotonic()
            if revision not in self._known:
                digest = await self._store.digest(self._mesh, revision)
                if digest is None:
                    return None
                self._known[revision] = digest
            return self._known[revision]
