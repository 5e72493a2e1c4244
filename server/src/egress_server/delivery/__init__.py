"""From desired state to the clusters, for ever: a worker for each, under a lease, and probes that see what came of it.

The store is the truth and its streams only a hint: a worker always compares what it finds on the cluster with the
newest desired state, so that lost, doubled or reordered wake-ups change nothing.
"""

from egress_server.delivery.manager import ControllerManager
from egress_server.delivery.settings import DeliverySettings

__all__ = ["ControllerManager", "DeliverySettings"]
