"""Following a restart of workloads.

What it ends with: 0 all are back; 1 one did not come back, so the others were left alone; 3 the timeout came first.
"""

import time

from egress import Cluster, EgressClient
from egress.cli.support.errors import Exit
from egress.cli.support.output import err
from egress.cli.support.values import short
from egress.cli.support.wait import progress

_POLL_SECONDS = 0.5


def follow_restart(client: EgressClient, name: str, restart_id: str, timeout: float) -> Exit:
    """Follows the restart for at most `timeout` seconds and says what came of it; returns what to leave with."""
    deadline = time.monotonic() + timeout
    with progress() as tell:
        while True:
            status = client.get_cluster(name).status
            found = status.restart if status.restart.id == restart_id else Cluster.Restart()
            if found.state in (Cluster.Restart.DONE, Cluster.Restart.STOPPED) or time.monotonic() >= deadline:
                break
            tell(_progress(found, status))
            time.sleep(_POLL_SECONDS)
    return _conclude(name, found)


def _progress(found: Cluster.Restart, status: Cluster.Status) -> str:
    if found.state:
        return f"{len(found.done)} restarted{f', {found.message}' if found.message else ''}"
    return f"not begun{f': {status.message} ({status.reason})' if status.reason else ''}"


def _conclude(name: str, found: Cluster.Restart) -> Exit:
    count = f"{len(found.done)} workload{'' if len(found.done) == 1 else 's'}"
    if found.state == Cluster.Restart.DONE:
        err().print(f"{count} of {short(name)} restarted.", style="green")
        if found.message:
            err().print(f"  {found.message}")
        return Exit.DONE
    if found.state == Cluster.Restart.STOPPED:
        err().print(f"Stopped after {count}: {found.failed}: {found.message}", style="red")
        return Exit.REFUSED
    begun = f"{count} restarted so far" if found.state else "it has not begun"
    err().print(f"The restart goes on: {begun}. Look again: egressctl cluster get {short(name)}", style="red")
    return Exit.UNAVAILABLE
