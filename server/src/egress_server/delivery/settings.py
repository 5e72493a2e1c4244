"""How fast and how patiently clusters are reconciled."""

from dataclasses import dataclass, field

from egress_server.aio.backoff import Backoff
from egress_server.domain.probe.evidence import Destination


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """All times in seconds."""

    concurrency: int = 32
    """Clusters that one process reconciles at the same time."""
    lease: float = 10.0
    """How long a lease lasts without renewal: how long a cluster waits for another applier if its own dies."""
    pace: float = 0.1
    """Between the starts of two reconciles of one cluster; changes in between are batched. Istio's own debounce is as
    long."""
    resync: float = 60.0
    """After this long a cluster is reconciled although nothing changed, to correct drift."""
    heartbeat: float = 15.0
    """A cluster's status is written at least this often, to show that an applier is running."""
    announce: float = 0.5
    """An apply that takes longer than this is shown as APPLYING."""
    backoff: Backoff = field(default=Backoff(0.5, 30.0))
    """Between retries after transient failures."""
    grace: float = 5.0
    """How long reconciles in flight may take to finish on shutdown."""
    inventory_pace: float = 2.0
    """Between two writes of a cluster's inventory, however often it changes."""
    inventory_refresh: float = 300.0
    """After this long the inventory is written although nothing changed, so that its time shows that it is current."""
    restart_pause: float = 5.0
    """Between two workloads that are restarted."""
    restart_settle: float = 5.0
    """Before stale workloads are listed: a cluster needs a moment to detect them after new rules were applied."""
    expire_patience: float = 30.0
    """How long after its end a fault stays in desired state because a cluster has not reported its removal."""
    clock: float = 5.0
    """How often the store is asked for its time."""
    probe_pauses: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 3.0, 3.0)
    """Before retries of a probe that did not agree: a sidecar needs time to take a change, and a DNS entry to warm."""
    probe_interval: float = 0.1
    """Between two verification probes by one agent."""
    probe_recheck: float = 60.0
    """After this long, what could not be verified is probed again."""
    agent_poll: float = 1.0
    """How often to look for an agent while there is none."""
    known_destinations: tuple[Destination, ...] = ()
    """What probes may dial under ALLOW_ANY although no entry covers it: servers that the operator named."""
