"""What all workers of one applier share."""

import asyncio
from dataclasses import dataclass
from random import Random

from egress_server.delivery.digests import Digests
from egress_server.delivery.leases import StoreClock
from egress_server.delivery.settings import DeliverySettings
from egress_server.delivery.status_writer import StatusWriter
from egress_server.ports.agents import AgentSessions
from egress_server.ports.clock import Clock, Monotonic
from egress_server.ports.store import ApplierStore, Replica
from egress_server.ports.target import Targets


@dataclass(frozen=True, slots=True)
class ApplierContext:
    """Ports, settings and common tools. `slots` bounds how many clusters are worked on at one time."""

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
    digests: Digests
    store_clock: StoreClock
    slots: asyncio.Semaphore
