"""EGR0713: a host whose other ports stop working, because sidecars with DNS capture give it an address of its own.

With DNS capture, the sidecar answers queries for the host with an address that istiod has allocated, and only the ports
of the entry have listeners at that address. Connections to any other port of the host fail, also under ALLOW_ANY, where
they passed before (istio#39080).
"""

from collections.abc import Iterator

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.dns_capture import allocating, is_eligible
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import ServiceEntry

_WEB_PORTS = frozenset({80, 443})


class UndeclaredPorts(Rule[ServiceEntry]):
    """At most one finding, if the entry adds hosts or removes ports."""

    code = "EGR0713"
    severity = Severity.WARNING
    title = "web host without port 80 or 443 under DNS capture"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the MeshConfig of the clusters that the entry applies to."""
        numbers = {port.number for port in entry.ports}
        missing = _WEB_PORTS - numbers
        is_web = any(port.protocol.is_http or port.protocol.is_tls for port in entry.ports)
        if not missing or not is_web or not is_eligible(entry) or snapshot.indexes.is_registry_only(""):
            return
        before = snapshot.entry(entry.name)
        declared = {port.number for port in before.ports} if before else set()
        if before and set(entry.hosts) <= set(before.hosts) and missing.isdisjoint(declared):
            return
        if clusters := allocating(snapshot, entry.cluster_selector):
            ports = " and ".join(map(str, sorted(missing)))
            yield self.finding(
                "ports",
                f"on cluster {clusters[0].id}, sidecars resolve {entry.hosts[0]} to an address that istiod allocates, "
                f"with listeners for the ports of this entry only: connections to port {ports} fail there, also under "
                "ALLOW_ANY",
                "declare every port that clients use; no change is needed if they use no others",
            )
