"""EGR0705: an entry that a Sidecar hides from a namespace.

The egress hosts of a Sidecar say what the sidecars of a namespace are told of at all. An entry that is not among them
does not exist there, whatever it is exported to: "the entry exists, still blocked".
"""

from collections.abc import Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_rule import LOOKED_AT, named, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Cluster, ServiceEntry
from egress_server.domain.observed.foreign_config import imports
from egress_server.domain.observed.inventory import ForeignSidecar

_ANY_OTHER = ""  # a namespace that is none of those named: it sees what is exported to all


class HiddenBySidecar(Rule[ServiceEntry]):
    """One finding for each host, naming the first namespaces."""

    code = "EGR0705"
    severity = Severity.WARNING
    title = "an entry that a Sidecar hides from a namespace"
    on = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the Sidecars of others that restrict what a namespace sees."""
        for index, host in enumerate(entry.hosts):
            hidden = list(_hiding(snapshot, entry, host))
            if hidden:
                cluster, sidecar, _ = hidden[0]
                yield self.found(
                    f"hosts[{index}]",
                    f"{host} is not among the egress hosts of Sidecar {sidecar.namespace}/{sidecar.name} on cluster "
                    f"{cluster.id}: workloads of {named(where for *_, where in hidden)} don't see the entry, although "
                    "it is exported to them",
                    f"have {entry.namespace}/{host} added to its egress hosts, where workloads call {host} from there",
                )


def _hiding(snapshot: Snapshot, entry: ServiceEntry, host: str) -> Iterator[tuple[Cluster, ForeignSidecar, str]]:
    """The Sidecars that do, each with whom they hide it from."""
    for row in islice(snapshot.inventories.restricting(), LOOKED_AT):
        for cluster, sidecar in islice(on_clusters(snapshot, entry.cluster_selector, row), 1):
            client, where = sidecar.namespace, f"namespace {sidecar.namespace}"
            if client == snapshot.inventories[cluster.id].root_namespace:
                client, where = _ANY_OTHER, "every namespace without a Sidecar of its own"
            if entry.visible_to(client) and not imports(sidecar, client, entry.namespace, host):
                yield cluster, sidecar, where
