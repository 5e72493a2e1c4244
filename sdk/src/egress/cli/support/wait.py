"""Waiting for a change, with its progress on standard error.

What the wait ends with, as exit codes: 0 reached; 1 a cluster failed, or can't hold it (HELD and UNSUPPORTED need
somebody to act, so the wait ends as soon as nothing else is left to wait for; FAILED is tried again until the timeout);
4 a probe saw something else than the policy says; 3 the timeout came first.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from egress import Change, ClusterRollout, EgressClient
from egress.cli.support.errors import Exit
from egress.cli.support.options import Until
from egress.cli.support.output import err
from egress.cli.support.values import short
from egress.v1.change_service_pb2 import WaitChangeResponse

_TICK_SECONDS = 1.0
_MAX_REASONS = 3
_STUCK = {"HELD", "UNSUPPORTED"}
_THERE = {Until.APPLIED: {"APPLIED", "VERIFIED", "DISAGREES", "SUPERSEDED"}, Until.VERIFIED: {"VERIFIED", "SUPERSEDED"}}


class Tell(Protocol):
    """Takes the progress in words."""

    def __call__(self, words: str) -> None: ...


def wait_for(
    client: EgressClient, change: Change | int | str, until: Until, timeout: float
) -> tuple[WaitChangeResponse, Exit]:
    """Waits at most `timeout` seconds; returns the last state and what to leave with."""
    deadline = time.monotonic() + timeout
    with progress() as tell:
        while True:
            left = deadline - time.monotonic()
            reply = client.wait_change(change, until=until.value, timeout=max(min(_TICK_SECONDS, left), 0.001))
            tell(_summary(reply.change) + "".join(_reasons(reply)))
            if reply.reached or left <= _TICK_SECONDS or _is_stuck(reply.change, until):
                break
    return reply, _conclude(reply, until)


def _is_stuck(change: Change, until: Until) -> bool:
    waiting = {state for state, count in change.summary.items() if count} - _THERE[until]
    return bool(waiting) and waiting <= _STUCK


def _conclude(reply: WaitChangeResponse, until: Until) -> Exit:
    revision = reply.change.revision
    if reply.reached:
        err().print(f"Change {revision} is {until.value} on every cluster it concerns.", style="green")
        return Exit.DONE
    err().print(f"Change {revision} is not {until.value} everywhere: {_summary(reply.change)}", style="red")
    for rollout in reply.waiting_for:
        state = ClusterRollout.State.Name(rollout.state)
        why = f": {rollout.error.message} ({rollout.error.reason})" if rollout.error.reason else ""
        err().print(f"  {short(rollout.cluster)} {state}{why}")
    states = {ClusterRollout.State.Name(rollout.state) for rollout in reply.waiting_for}
    if states & (_STUCK | {"FAILED"}):
        return Exit.REFUSED
    return Exit.DISAGREES if "DISAGREES" in states else Exit.UNAVAILABLE


def _summary(change: Change) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(change.summary.items()) if count)
    return counts or "no cluster yet"


def _reasons(reply: WaitChangeResponse) -> Iterator[str]:
    """What holds it up, each reason once with the first cluster that gives it: nobody waits for what won't come."""
    told: set[str] = set()
    for rollout in reply.waiting_for:
        reason = rollout.error.reason
        if reason and reason not in told and len(told) < _MAX_REASONS:
            told.add(reason)
            yield f"; {short(rollout.cluster)}: {rollout.error.message} ({reason})"


@contextmanager
def progress() -> Iterator[Tell]:
    """Shows on standard error what is told while somebody waits."""
    console = err()
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("waiting")
        yield lambda words: bar.update(task, description=words)


class _Lines:
    """Progress where nothing can be redrawn: a line whenever it differs from the last."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, words: str) -> None:
        if words != self._last:
            err().print(f"waiting: {words}")
        self._last = words
