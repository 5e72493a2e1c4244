"""Whether the machine was idle otherwise: CPU that other processes take changes the ratio, too.

With too few cores for everyone, a call's price is all the CPU it needs, the client's and redis-server's share included,
rather than what its server needs.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

_IDLE_PERCENT = 85.0
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.3


def wait_for_quiet() -> None:
    """Returns when the machine is nearly idle, or after a maximum wait."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while psutil.cpu_times_percent(_LOOK_SECONDS).idle < _IDLE_PERCENT and time.monotonic() < give_up:
        pass


@dataclass(slots=True)
class Others:
    """What processes outside the measurement used, as a share of all cores; known at the end."""

    share: float = 0.0


@contextmanager
def watching_others(server: psutil.Process) -> Iterator[Others]:
    """Counted out are `server`, its children, and children of this process that end meanwhile."""
    others = Others()
    begin, busy, own = time.monotonic(), _busy(), _own(server)
    yield others
    spent = (_busy() - busy) - (_own(server) - own)
    others.share = max(0.0, spent / ((time.monotonic() - begin) * len(psutil.cpu_times(percpu=True))))


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _own(server: psutil.Process) -> float:
    used = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    client = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(sum(times.user + times.system for times in used) + client.ru_utime + client.ru_stime)
