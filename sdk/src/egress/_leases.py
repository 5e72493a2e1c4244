"""A fault for as long as a block of code runs.

The block begins once the fault is in effect and ends it, however it is left. Should this process die within, the
fault's ttl ends it.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from google.rpc import code_pb2
from google.rpc.status_pb2 import Status

from egress._calls import Call
from egress._changed import AsyncChanged, Changed, Until
from egress._errors import DeadlineExceeded, NotFound
from egress.v1.change_service_pb2 import WaitChangeResponse
from egress.v1.egress_service_pb2 import ClearFaultResponse, InjectFaultResponse
from egress.v1.fault_pb2 import Fault


@dataclass(frozen=True, slots=True)
class Lease:
    """A fault to inject, and how far to wait for it and for its end; None for neither. `wait_timeout` in seconds."""

    inject: Call[InjectFaultResponse]
    until: Until | None
    wait_timeout: float


@contextmanager
def held(
    lease: Lease,
    inject: Callable[[Call[InjectFaultResponse]], Changed[InjectFaultResponse]],
    clear: Callable[[str], Changed[ClearFaultResponse]],
) -> Iterator[Fault]:
    """The fault on a client that blocks."""
    made = inject(lease.inject)
    try:
        if lease.until:
            _check(made.wait(lease.until, timeout=lease.wait_timeout))
        yield made.fault
    finally:
        try:
            ended = clear(made.fault.name)
        except NotFound:  # it came to its end by itself
            pass
        else:
            if lease.until:
                _check(ended.wait(timeout=lease.wait_timeout))


@asynccontextmanager
async def held_async(
    lease: Lease,
    inject: Callable[[Call[InjectFaultResponse]], Coroutine[Any, Any, AsyncChanged[InjectFaultResponse]]],
    clear: Callable[[str], Coroutine[Any, Any, AsyncChanged[ClearFaultResponse]]],
) -> AsyncIterator[Fault]:
    """The fault on a client that is awaited."""
    made = await inject(lease.inject)
    try:
        if lease.until:
            _check(await made.wait(lease.until, timeout=lease.wait_timeout))
        yield made.fault
    finally:
        try:
            ended = await clear(made.fault.name)
        except NotFound:  # it came to its end by itself
            pass
        else:
            if lease.until:
                _check(await ended.wait(timeout=lease.wait_timeout))


def _check(waited: WaitChangeResponse) -> None:
    if waited.reached:
        return
    counts = ", ".join(f"{count} {state}" for state, count in sorted(waited.change.summary.items()) if count)
    text = f"change {waited.change.revision} is not in effect on every cluster: {counts or 'no cluster yet'}"
    raise DeadlineExceeded(Status(code=code_pb2.DEADLINE_EXCEEDED, message=text))
