"""Waiting for a change, with its progress on standard error.

Exit status: 0 reached; 1 a cluster failed or does not support the change (HELD and UNSUPPORTED need a person to act, so
the wait ends when only such clusters are left; FAILED is retried until the timeout); 3 the timeout expired; 4 a probe
contradicts the policy; 6 no cluster matches the change.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from egress import Change, ClusterRollout, EgressClient
from egress.cli.support.errors import Exit
from egress.cli.support.options import WaitUntil
from egress.cli.support.output import err
from egress.cli.support.values import short
from egress.v1.change_service_pb2 import WaitChangeResponse

_Result = WaitChangeResponse.Result
_TICK_SECONDS = 1.0
_MAX_REASONS = 3
_STUCK = {"HELD", "UNSUPPORTED"}
_REACHED = {
    WaitUntil.APPLIED: {"APPLIED", "VERIFIED", "DISAGREES", "SUPERSEDED"},
    WaitUntil.VERIFIED: {"VERIFIED", "SUPERSEDED"},
}


class ShowProgress(Protocol):
    """Shows a line of progress."""

    def __call__(self, text: str) -> None: ...


def wait_for(
    client: EgressClient, change: Change | int | str, until: WaitUntil, timeout: float
) -> tuple[WaitChangeResponse, Exit]:
    """Waits at most `timeout` seconds; returns the last state and the exit status."""
    deadline = time.monotonic() + timeout
    with progress() as show:
        while True:
            left = deadline - time.monotonic()
            reply = client.wait_change(change, until=until.value, timeout=max(min(_TICK_SECONDS, left), 0.001))
            show(_summary(reply.change) + "".join(_reasons(reply)))
            done = reply.reached or reply.result == _Result.NO_CLUSTERS
            if done or left <= _TICK_SECONDS or _is_stuck(reply.change, until):
                break
    return reply, _conclude(reply, until)


def _is_stuck(change: Change, until: WaitUntil) -> bool:
    waiting = {state for state, count in change.summary.items() if count} - _REACHED[until]
    return bool(waiting) and waiting <= _STUCK


def _conclude(reply: WaitChangeResponse, until: WaitUntil) -> Exit:
    revision = reply.change.revision
    if reply.reached:
        err().print(f"Change {revision} is {until.value} on every affected cluster.", style="green")
        for rollout in reply.partly_verified if until is WaitUntil.VERIFIED else ():
            err().print(f"  {short(rollout.cluster)}: {rollout.error.message} ({rollout.error.reason})")
        return Exit.SUCCESS
    if reply.result == _Result.NO_CLUSTERS:
        err().print(f"Change {revision} is not {until.value}: 0 clusters match (NO_CLUSTERS)", style="red")
        return Exit.NO_CLUSTERS
    err().print(f"Change {revision} is not {until.value} on every cluster: {_summary(reply.change)}", style="red")
    for rollout in reply.waiting_for:
        state = ClusterRollout.State.Name(rollout.state)
        reason = f": {rollout.error.message} ({rollout.error.reason})" if rollout.error.reason else ""
        err().print(f"  {short(rollout.cluster)} {state}{reason}")
    states = {ClusterRollout.State.Name(rollout.state) for rollout in reply.waiting_for}
    if states & (_STUCK | {"FAILED"}):
        return Exit.REFUSED
    return Exit.CONTRADICTED if "DISAGREES" in states else Exit.UNAVAILABLE


def _summary(change: Change) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(change.summary.items()) if count)
    return counts or "0 clusters match"


def _reasons(reply: WaitChangeResponse) -> Iterator[str]:
    """Why clusters are not ready: each reason once, with the first cluster that has it."""
    shown: set[str] = set()
    for rollout in reply.waiting_for:
        reason = rollout.error.reason
        if reason and reason not in shown and len(shown) < _MAX_REASONS:
            shown.add(reason)
            yield f"; {short(rollout.cluster)}: {rollout.error.message} ({reason})"


@contextmanager
def progress() -> Iterator[ShowProgress]:
    """Shows progress on standard error."""
    console = err()
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("waiting")
        yield lambda text: bar.update(task, description=text)


class _Lines:
    """Progress without a terminal: a line each time it differs from the last."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, text: str) -> None:
        if text != self._last:
            err().print(f"waiting: {text}")
        self._last = text
