"""Defaults for targets that detect no changes by other clients, apply synchronously, and have no workloads."""

from collections.abc import AsyncIterator

from egress_server.domain.model.errors import PermanentError
from egress_server.domain.model.status import UNSUPPORTED, Problem


class StaticTarget:
    """See ports.target.Target for each."""

    debounce = 0.0
    propagation = 0.0

    async def changes(self) -> AsyncIterator[None]:
        """Detects none."""
        return
        yield

    def propagation_problem(self) -> Problem | None:
        """What is applied is in effect."""
        return None

    async def restart(self, workload: str) -> None:
        """There are no workloads."""
        raise PermanentError(UNSUPPORTED, f"can't restart {workload}: this kind of cluster has no workloads")
