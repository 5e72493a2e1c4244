"""EGR0705: an entry that an unmanaged Sidecar hides from a namespace.

The egress hosts of a Sidecar determine what istiod sends to the sidecars of a namespace. An entry that is not among
them does not exist there, whatever it is exported to: "the entry exists, but the host is still blocked".
"""

from collections.abc import Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import EXAMINED, first_names, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.foreign_config import imports
from egress_server.domain.observed.inventory import ForeignSidecar

_UNNAMED = ""  # a namespace that no entry names: it sees what is exported to all


class HiddenBySidecar(Rule[ServiceEntry]):
    """One finding per host, which names the first namespaces."""

    code = "EGR0705"
    severity = Severity.WARNING
    title = "entry that an unmanaged Sidecar hides from a namespace"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign Sidecars that restrict what a namespace sees."""
        for index, host in enumerate(entry.hosts):
            hidden = list(_hiding(snapshot, entry, host))
            if hidden:
                cluster, sidecar, _ = hidden[0]
                yield self.finding(
                    f"hosts[{index}]",
                    f"{host} is not among the egress hosts of Sidecar {sidecar.namespace}/{sidecar.name} on cluster "
                    f"{cluster.id}: workloads of {first_names(scope for *_, scope in hidden)} don't see the entry, "
                    "although it is exported to them",
                    f"if workloads there call {host}, add {entry.namespace}/{host} to the Sidecar's egress hosts",
                )


def _hiding(snapshot: Snapshot, entry: ServiceEntry, host: str) -> Iterator[tuple[Cluster, ForeignSidecar, str]]:
    """The Sidecars that hide the entry, each with a description of the namespaces."""
    for row in islice(snapshot.inventories.restricting_sidecars(), EXAMINED):
        for cluster, sidecar in islice(on_clusters(snapshot, entry.cluster_selector, row), 1):
            client, scope = sidecar.namespace, f"namespace {sidecar.namespace}"
            if client == snapshot.inventories[cluster.id].root_namespace:
                client, scope = _UNNAMED, "every namespace without a Sidecar of its own"
            if entry.visible_to(client) and not imports(sidecar, client, entry.namespace, host):
                yield cluster, sidecar, scope
