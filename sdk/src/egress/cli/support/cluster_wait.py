"""Waiting for a cluster: for an applier after a registration, and for a restart of workloads."""

import time

from egress import Change, Cluster, EgressClient
from egress.cli.support.describe import versions
from egress.cli.support.errors import Exit
from egress.cli.support.output import err
from egress.cli.support.values import short
from egress.cli.support.wait import progress

REGISTRATION_SECONDS = 30.0
_POLL_SECONDS = 0.25
# A problem counts when it has lasted this long: some are temporary while a cluster is being set up.
_STEADY_SECONDS = 1.0


def wait_until_managed(client: EgressClient, name: str, change: Change) -> Exit:
    """Waits until an applier reports on the cluster called `name`, which `change` registered. Prints the result.

    Returns the exit status: 0 the cluster is managed; 1 it is reachable but cannot be managed; 3 it is not reachable,
    or no applier has reported in time.
    """
    deadline = time.monotonic() + REGISTRATION_SECONDS
    problem, since = "", 0.0
    with progress() as show:
        while True:
            cluster = client.get_cluster(name)
            now, status = time.monotonic(), cluster.status
            if status.applied_revision >= change.revision:
                return _managed(cluster)
            reason = status.reason if _is_later(status, change) else ""
            if reason != problem:
                problem, since = reason, now
            if problem and now - since >= _STEADY_SECONDS:
                return _failed(cluster)
            if now >= deadline:
                return _failed(cluster) if problem else _not_reported(cluster)
            show(f"{short(name)}: {f'{status.message} ({problem})' if problem else 'waiting for an applier'}")
            time.sleep(_POLL_SECONDS)


def follow_restart(client: EgressClient, name: str, restart_id: str, timeout: float) -> Exit:
    """Follows a restart of workloads for at most `timeout` seconds, and prints the result.

    Returns the exit status: 0 all workloads are available again; 1 one is not, so the others were not restarted; 3 the
    timeout expired.
    """
    deadline = time.monotonic() + timeout
    with progress() as show:
        while True:
            status = client.get_cluster(name).status
            restart = status.restart if status.restart.id == restart_id else Cluster.Restart()
            if restart.state in (Cluster.Restart.DONE, Cluster.Restart.STOPPED) or time.monotonic() >= deadline:
                break
            show(_restart_progress(restart, status))
            time.sleep(_POLL_SECONDS)
    return _conclude_restart(name, restart)


def _is_later(status: Cluster.Status, change: Change) -> bool:
    """Whether the status is about this registration, and not about an earlier one."""
    reported, accepted = status.last_seen_time, change.accept_time
    return (reported.seconds, reported.nanos) > (accepted.seconds, accepted.nanos)


def _managed(cluster: Cluster) -> Exit:
    known = versions(cluster)
    err().print(f"{short(cluster.name)} is ONLINE{f': {known}' if known else ''}.", style="green")
    return Exit.SUCCESS


def _failed(cluster: Cluster) -> Exit:
    status = cluster.status
    reached = status.state == Cluster.Status.ONLINE
    state = "cannot be managed" if reached else f"is {Cluster.Status.State.Name(status.state)}"
    err().print(f"{short(cluster.name)} {state}: {status.message} ({status.reason})", style="red")
    return Exit.UNAVAILABLE if status.state == Cluster.Status.OFFLINE else Exit.REFUSED


def _not_reported(cluster: Cluster) -> Exit:
    name = short(cluster.name)
    err().print(
        f"No applier has reported on {name} within {REGISTRATION_SECONDS:g} s. Is an applier running that manages it? "
        f"Check again with: egressctl cluster get {name}",
        style="red",
    )
    return Exit.UNAVAILABLE


def _restart_progress(restart: Cluster.Restart, status: Cluster.Status) -> str:
    if restart.state:
        return f"{len(restart.done)} restarted{f', {restart.message}' if restart.message else ''}"
    return f"not started{f': {status.message} ({status.reason})' if status.reason else ''}"


def _conclude_restart(name: str, restart: Cluster.Restart) -> Exit:
    count = f"{len(restart.done)} workload{'' if len(restart.done) == 1 else 's'}"
    if restart.state == Cluster.Restart.DONE:
        err().print(f"{count} of {short(name)} restarted.", style="green")
        if restart.message:
            err().print(f"  {restart.message}")
        return Exit.SUCCESS
    if restart.state == Cluster.Restart.STOPPED:
        err().print(f"Stopped after {count}: {restart.failed}: {restart.message}", style="red")
        return Exit.REFUSED
    progress = f"{count} restarted so far" if restart.state else "not started"
    err().print(
        f"The restart is still in progress: {progress}. Check again with: egressctl cluster get {short(name)}",
        style="red",
    )
    return Exit.UNAVAILABLE
