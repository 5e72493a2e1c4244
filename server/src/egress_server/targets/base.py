"""What a target answers that knows nothing of changes by others, of waiting, or of workloads to restart."""

from collections.abc import AsyncIterator

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.status import UNSUPPORTED, Problem


class StaticTarget:
    """See ports.target.Target for each."""

    quiet = 0.0
    patience = 0.0

    async def changes(self) -> AsyncIterator[None]:
        """None are seen."""
        return
        yield

    def holding_up(self) -> Problem | None:
        """What is applied is in effect."""
        return None

    async def restart(self, workload: str) -> None:
        """There is nothing to restart."""
        raise PermanentError(UNSUPPORTED, f"this kind of cluster has no workloads to restart, so not {workload} either")
