"""The context manager behind `client.fault`: a fault that lasts as long as a block of code.

The block starts when the fault is in effect, and the fault is cleared however the block ends. If the process dies
inside the block, the fault expires after its ttl.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from egress._client.calls import Call, FaultLease
from egress._client.errors import DeadlineExceeded, FailedPrecondition, NotFound
from egress._client.results import AsyncMutationResult, MutationResult
from egress.v1.change_service_pb2 import WaitChangeResponse
from egress.v1.egress_service_pb2 import ClearFaultResponse, InjectFaultResponse
from egress.v1.fault_pb2 import Fault


@contextmanager
def hold_fault(
    lease: FaultLease,
    inject: Callable[[Call[InjectFaultResponse]], MutationResult[InjectFaultResponse]],
    clear: Callable[[str], MutationResult[ClearFaultResponse]],
) -> Iterator[Fault]:
    """Holds the fault with a blocking client."""
    injected = inject(lease.inject)
    try:
        if lease.until:
            _require_reached(injected.wait(lease.until, timeout=lease.wait_timeout))
        yield injected.fault
    finally:
        try:
            cleared = clear(injected.fault.name)
        except NotFound:  # it has expired
            pass
        else:
            if lease.until:
                _require_reached(cleared.wait(timeout=lease.wait_timeout), cleared=True)


@asynccontextmanager
async def hold_fault_async(
    lease: FaultLease,
    inject: Callable[[Call[InjectFaultResponse]], Coroutine[Any, Any, AsyncMutationResult[InjectFaultResponse]]],
    clear: Callable[[str], Coroutine[Any, Any, AsyncMutationResult[ClearFaultResponse]]],
) -> AsyncIterator[Fault]:
    """Holds the fault with an async client."""
    injected = await inject(lease.inject)
    try:
        if lease.until:
            _require_reached(await injected.wait(lease.until, timeout=lease.wait_timeout))
        yield injected.fault
    finally:
        try:
            cleared = await clear(injected.fault.name)
        except NotFound:  # it has expired
            pass
        else:
            if lease.until:
                _require_reached(await cleared.wait(timeout=lease.wait_timeout), cleared=True)


def _require_reached(waited: WaitChangeResponse, *, cleared: bool = False) -> None:
    """Raises FailedPrecondition if no cluster has the fault, unless it is `cleared`; DeadlineExceeded if the change is
    late."""
    revision, no_clusters = waited.change.revision, waited.result == WaitChangeResponse.NO_CLUSTERS
    if waited.reached or (cleared and no_clusters):
        return
    if no_clusters:
        text = f"change {revision} is not in effect: 0 clusters match"
        raise FailedPrecondition(Status(code=code_pb2.FAILED_PRECONDITION, message=text))
    counts = ", ".join(f"{count} {state}" for state, count in sorted(waited.change.summary.items()) if count)
    text = f"change {revision} is not in effect on every cluster: {counts}"
    raise DeadlineExceeded(Status(code=code_pb2.DEADLINE_EXCEEDED, message=text))
