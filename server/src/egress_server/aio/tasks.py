"""The registry of background tasks: everything that runs besides the calls of a process, and how it is restarted.

A task that is not listed here can't be started. docs/processes.md shows the list to operators, and
tests/integration/supervision lets each of them fail. Both are compared with this list, so a new task needs a row there
and a scenario.
"""

from dataclasses import dataclass
from enum import Enum

from egress_server.aio.backoff import Backoff

_STORE = Backoff(0.5, 2.0)
"""For tasks that use the store: soon back when it is."""
_CLUSTER = Backoff(1.0, 10.0)
"""For tasks of one cluster."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """How one task is supervised.

    `name` is its metric label and log field. Without an `essential` task the process can't do its job: /readyz is 503
    while it is down. A task is up again once it has run for `steady` seconds since its last failure, longer than it
    takes to get to its work. One with `restarts` False belongs to one stream or request and ends with it.
    """

    name: str
    essential: bool = False
    backoff: Backoff = _STORE
    steady: float = 2.0
    restarts: bool = True


class Task(Enum):
    """Every background task. Several of one kind, such as one for each cluster, share a name."""

    # Of a process
    HTTP_SERVER = Supervision("http-server", essential=True)
    CHILD_PROCESS = Supervision("child-process", backoff=Backoff(0.05, 5.0), steady=5.0)
    KNOWN_CLUSTERS = Supervision("known-clusters")
    # Of a process with a store
    STORE_CONNECTION = Supervision("store-connection", essential=True, backoff=Backoff(0.1, 2.0))
    STORE_REPLICA = Supervision("store-replica", essential=True)
    STORE_UPKEEP = Supervision("store-upkeep", backoff=Backoff(5.0, 60.0), steady=30.0)
    CHANGE_BROADCASTER = Supervision("change-broadcaster")
    # Agents
    AGENT_SESSION = Supervision("agent-session", restarts=False)
    AGENT_PUBLISHER = Supervision("agent-publisher")
    AGENT_DIRECTORY = Supervision("agent-directory")
    AGENT_INBOX = Supervision("agent-inbox")
    AGENT_REQUEST = Supervision("agent-request", restarts=False)
    AGENT_STREAM = Supervision("agent-stream", backoff=Backoff(0.1, 5.0))
    # Of an applier
    APPLIER = Supervision("applier", essential=True, backoff=Backoff(1.0, 5.0))
    STANDBY = Supervision("standby", backoff=_CLUSTER)
    STATUS_WRITER = Supervision("status-writer", essential=True)
    STORE_CLOCK = Supervision("store-clock", essential=True, steady=10.0)
    FAULT_EXPIRER = Supervision("fault-expirer")
    # Of one cluster of an applier
    CLUSTER_CONTROLLER = Supervision("cluster-controller", backoff=_CLUSTER)
    RECONCILER = Supervision("reconciler", backoff=_CLUSTER)
    LEASE_KEEPER = Supervision("lease-keeper")
    FAULT_TTL = Supervision("fault-ttl", backoff=Backoff(1.0, 2.0))
    CLUSTER_WATCH = Supervision("cluster-watch", backoff=Backoff(0.5, 30.0))
    VERIFIER = Supervision("verifier", backoff=_CLUSTER)
    INVENTORY_WRITER = Supervision("inventory-writer", backoff=Backoff(1.0, 2.0))
    RESTARTS = Supervision("restarts", backoff=_CLUSTER, steady=15.0)
    # Of one Kubernetes cluster
    INFORMER = Supervision("informer", backoff=Backoff(3.0, 10.0, jitter=0.2))
    INFORMER_PING = Supervision("informer-ping", backoff=_CLUSTER, steady=15.0)
    POD_SURVEY = Supervision("pod-survey", backoff=Backoff(5.0, 60.0), steady=30.0)
    CAPABILITY_REFRESH = Supervision("capability-refresh", backoff=Backoff(5.0, 60.0), steady=90.0)
