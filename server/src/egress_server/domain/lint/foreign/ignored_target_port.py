"""EGR0741: a target port with resolution NONE on a cluster whose Istio ignores it.

Istio 1.22 introduced it. Older versions connect to the port that the workload dialed: with TLS origination, the sidecar
starts TLS at a port that speaks plain HTTP.
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import first_names, older_than, on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resolution, ServiceEntry

_SINCE = (1, 22)


class IgnoredTargetPort(Rule[ServiceEntry]):
    """One finding per port."""

    code = "EGR0741"
    severity = Severity.ERROR
    title = "target port with resolution NONE on an Istio that ignores it"
    suppressible = True
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the Istio versions of the clusters that the entry applies to."""
        moved = [(index, port) for index, port in enumerate(entry.ports) if port.target_port not in {0, port.number}]
        if entry.resolution is not Resolution.NONE or not moved:
            return
        versions = (
            (cluster.id, inventory.capabilities.istio_version)
            for cluster, inventory in on_clusters(snapshot, entry.cluster_selector, snapshot.inventories)
        )
        names = first_names(f"{id_} ({version})" for id_, version in versions if older_than(version, _SINCE))
        for index, port in moved if names else ():
            yield self.finding(
                f"ports[{index}].target_port",
                f"with resolution NONE, Istio before 1.22 ignores target port {port.target_port} and connects to port "
                f"{port.number}; the version is older on {names}",
                "use resolution DNS or STATIC, or select other clusters",
            )
