"""What the controllers of one applier share."""

import asyncio
from dataclasses import dataclass
from random import Random

from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.store_reads import RevisionDigests, StoreClock
from egress_server.delivery.writers import StatusWriter
from egress_server.domain.model.clusters import Cluster
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Monotonic
from egress_server.ports.store import ApplierStore, Replica
from egress_server.ports.target import Targets

INTERNAL_ERROR = "internal error in the applier; see its logs"
"""What a status says of an unexpected exception: never its text."""


@dataclass(frozen=True, slots=True)
class ApplierContext:
    """Ports, settings and shared services. `slots` limits how many clusters are reconciled at the same time."""

    mesh: str
    owner: str
    store: ApplierStore
    replica: Replica
    targets: Targets
    agents: AgentSessions
    clock: Clock
    monotonic: Monotonic
    random: Random
    settings: DeliverySettings
    statuses: StatusWriter
    digests: RevisionDigests
    store_clock: StoreClock
    slots: asyncio.Semaphore

    def registration(self, cluster: str) -> Cluster | None:
        """How a cluster is registered now; None if it is not."""
        return self.replica.snapshot.cluster(cluster)
