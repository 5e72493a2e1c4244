"""EGR0711: an entry for whose host an unmanaged DestinationRule originates TLS.

A rule for `*.example.com` with TLS mode SIMPLE applies to every entry below it: plain HTTP is sent as TLS to a server
that expects plain text, and TLS of the client is wrapped in TLS once more, so all connections fail (istio#12738,
#16453, #36672).
"""

from collections.abc import Iterator
from itertools import chain

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.istio.destination_rule import TrafficPolicy
from egress_server.domain.lint.foreign_objects import on_clusters
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.names import object_name
from egress_server.domain.model.resources import ServiceEntry, ServicePort
from egress_server.domain.observed.foreign_config import describe_object
from egress_server.domain.observed.inventory import ForeignDestinationRule

_TLS_PORT = 443


class ForeignTls(Rule[ServiceEntry]):
    """At most one finding per host, about the first rule and port."""

    code = "EGR0711"
    severity = Severity.WARNING
    title = "entry for whose host an unmanaged DestinationRule sets TLS"
    applies_to = (ServiceEntry,)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the foreign DestinationRules for the same hosts, and for wildcards above them."""
        for index, host in enumerate(entry.hosts):
            found = chain.from_iterable(_applying(snapshot, entry, pattern) for pattern in _patterns(host))
            nearest: dict[str, tuple[Cluster, ForeignDestinationRule]] = {}
            for cluster, rule in found:
                nearest.setdefault(cluster.id, (cluster, rule))
            for cluster, rule in nearest.values():
                if effect := _effect(entry, rule):
                    name = object_name("DestinationRule", rule.namespace, rule.name)
                    yield self.finding(
                        f"hosts[{index}]",
                        f"on cluster {cluster.id}, TLS by {describe_object(name, rule.owner)} for {rule.spec.host} "
                        f"applies to {host}: {effect}",
                        f"limit {name} to the hosts and ports that need it; for one port, use traffic.tls_origination "
                        "instead",
                    )
                    break


def _applying(
    snapshot: Snapshot, entry: ServiceEntry, pattern: str
) -> Iterator[tuple[Cluster, ForeignDestinationRule]]:
    """The rules for exactly `pattern` that clients of the entry may use: of its namespace, the root namespace, or their
    own namespace."""
    rows = snapshot.inventories.destination_rules(pattern)
    for cluster, rules in on_clusters(snapshot, entry.cluster_selector, rows):
        root = snapshot.inventories[cluster.id].root_namespace
        for rule in rules:
            overridden = rule.namespace == entry.namespace and pattern.startswith("*") and entry.traffic.tls_origination
            if not overridden and (rule.namespace in {entry.namespace, root} or entry.visible_to(rule.namespace)):
                yield cluster, rule


def _patterns(host: str) -> Iterator[str]:
    """The host and the wildcards above it, nearest first."""
    yield host
    rest = host.removeprefix("*.")
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
    yield "*"


def _effect(entry: ServiceEntry, rule: ForeignDestinationRule) -> str:
    """What TLS does to the first port to which it should not apply; empty if there is none."""
    for port in entry.ports:
        if _originates(rule.spec.policy, port):
            if port.protocol.is_tls:
                return f"it doubles the TLS of clients on port {port.number}, and the handshake fails"
            if (port.target_port or port.number) != _TLS_PORT and not entry.endpoints:
                return f"plain text from clients to port {port.number} is sent as TLS, which a plain server rejects"
    return ""


def _originates(policy: TrafficPolicy, port: ServicePort) -> bool:
    tls = policy.port_tls.get(port.number, policy.tls)
    return tls is not None and tls.originates
