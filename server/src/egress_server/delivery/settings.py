"""How fast and how patiently clusters are driven."""

from dataclasses import dataclass

from egress_server.domain.probe.evidence import Destination


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """All times in seconds."""

    concurrency: int = 32
    """Clusters worked on at one time by one process."""
    lease: float = 10.0
    """How long a cluster stays ours without a renewal: what it takes others to step in when we die."""
    pace: float = 0.1
    """From the beginning of one cycle of a cluster to the next; what changes in between goes out in one. Istio itself
    waits as long before it pushes."""
    resync: float = 60.0
    """After this long a cluster is looked at although nothing changed, so that drift heals."""
    heartbeat: float = 15.0
    """A cluster's record is written at least this often, to show that somebody looks after it."""
    announce: float = 0.5
    """An apply that takes longer than this is shown as APPLYING."""
    backoff_first: float = 0.5
    """Pause after a first transient failure; it doubles with each further one."""
    backoff_most: float = 30.0
    """The longest pause between tries."""
    grace: float = 5.0
    """When stopping, how long cycles in flight may take to end by themselves."""
    inventory_pace: float = 2.0
    """Between two writes of what a cluster holds besides ours, however often that changes."""
    inventory_refresh: float = 300.0
    """After this long it is written although nothing has changed, so that its time shows how good it is."""
    restart_pause: float = 5.0
    """Between two workloads that are restarted."""
    restart_settle: float = 5.0
    """Before it is read which workloads run under older rules: a cluster that has just got new ones needs a moment to
    find that out."""
    expire_patience: float = 30.0
    """How long after a fault's end a cluster that does not say that it is gone keeps the fault in desired state."""
    clock: float = 5.0
    """How often the store is asked for its time."""
    probe_pauses: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 3.0, 3.0)
    """Pauses before a probe that did not agree is made again: a sidecar needs a while to take a change, and a DNS entry
    to warm."""
    probe_interval: float = 0.1
    """Between two probes of verification by one agent."""
    probe_recheck: float = 60.0
    """After this long, what could not be verified is looked at again."""
    agent_poll: float = 1.0
    """How often to look for an agent while there is none."""
    known_destinations: tuple[Destination, ...] = ()
    """What probes may dial under ALLOW_ANY although no entry covers it: servers that the operator named."""
