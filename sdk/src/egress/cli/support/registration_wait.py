"""After a registration: waits until an applier has been to the cluster, since only then anybody knows whether it works.

What it ends with: 0 the cluster is driven; 1 it is reached and can't be driven, 3 it is not reached, or nobody has told
in time.
"""

import time

from egress import Change, Cluster, EgressClient
from egress.cli.support.describe import versions
from egress.cli.support.errors import Exit
from egress.cli.support.output import err
from egress.cli.support.values import short
from egress.cli.support.wait import progress

PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.25
# A trouble counts once it has stood for so long: some pass by while a cluster is taken up.
_STEADY_SECONDS = 1.0


def wait_until_driven(client: EgressClient, name: str, change: Change) -> Exit:
    """Waits for the applier's word on the cluster called `name`, which `change` registered; says it, and returns what
    to leave with.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    trouble, since = "", 0.0
    with progress() as tell:
        while True:
            cluster = client.get_cluster(name)
            now, status = time.monotonic(), cluster.status
            if status.applied_revision >= change.revision:
                return _driven(cluster)
            reason = status.reason if _is_later(status, change) else ""
            if reason != trouble:
                trouble, since = reason, now
            if trouble and now - since >= _STEADY_SECONDS:
                return _in_trouble(cluster)
            if now >= deadline:
                return _untold(cluster, trouble)
            tell(f"{short(name)}: {f'{status.message} ({trouble})' if trouble else 'no applier has been there yet'}")
            time.sleep(_POLL_SECONDS)


def _is_later(status: Cluster.Status, change: Change) -> bool:
    """Whether the word on the cluster is about this registration, and not about one before it."""
    told, asked = status.last_seen_time, change.accept_time
    return (told.seconds, told.nanos) > (asked.seconds, asked.nanos)


def _driven(cluster: Cluster) -> Exit:
    known = versions(cluster)
    err().print(f"{short(cluster.name)} is ONLINE{f': {known}' if known else ''}.", style="green")
    return Exit.DONE


def _in_trouble(cluster: Cluster) -> Exit:
    status = cluster.status
    reached = status.state == Cluster.Status.ONLINE
    stands = "can't be driven" if reached else f"is {Cluster.Status.State.Name(status.state)}"
    err().print(f"{short(cluster.name)} {stands}: {status.message} ({status.reason})", style="red")
    return Exit.UNAVAILABLE if status.state == Cluster.Status.OFFLINE else Exit.REFUSED


def _untold(cluster: Cluster, trouble: str) -> Exit:
    if trouble:
        return _in_trouble(cluster)
    err().print(
        f"No applier has been to {short(cluster.name)} within {PATIENCE_SECONDS:g} s. Is one running that drives it? "
        f"Look again: egressctl cluster get {short(cluster.name)}",
        style="red",
    )
    return Exit.UNAVAILABLE
