"""EGR0101: one host and port with different protocols in two entries that a workload may see together.

A sidecar builds one listener for the port; with two protocols for it, one of the entries is dropped without a word,
and which one depends on their age (istioctl reports it as IST0177).
"""

from egress_server.domain.findings import Finding, Severity
from egress_server.domain.resources import ClusterSelector, Resource, ServiceEntry, ServicePort
from egress_server.domain.snapshot import Snapshot

CODE = "EGR0101"


def reads(resource: Resource) -> frozenset[str]:
    """The buckets of its hosts."""
    if not isinstance(resource, ServiceEntry):
        return frozenset()
    return frozenset(f"host/{host}" for host in resource.hosts)


def check(snapshot: Snapshot, resource: Resource) -> list[Finding]:
    """One finding for each port of each other entry that it conflicts with."""
    if not isinstance(resource, ServiceEntry):
        return []
    return [
        _finding(host, index, port, other, theirs)
        for host in resource.hosts
        for other in snapshot.entries_with_host(host).values()
        if other.name != resource.name and _meet(resource, other)
        for index, port in enumerate(resource.ports)
        for theirs in other.ports
        if theirs.number == port.number and theirs.protocol is not port.protocol
    ]


def _finding(host: str, index: int, port: ServicePort, other: ServiceEntry, theirs: ServicePort) -> Finding:
    return Finding(
        code=CODE,
        severity=Severity.ERROR,
        field=f"ports[{index}].protocol",
        resource=other.name,
        cause=(
            f"{host} port {port.number} is {port.protocol.value} here and {theirs.protocol.value} in "
            f"{other.name}; a sidecar that sees both keeps one of them, by age, and ignores the other"
        ),
        fix=(
            f"declare port {port.number} as {theirs.protocol.value}, or keep the two apart by "
            "exportTo or cluster selector"
        ),
        forceable=True,
        related_codes=("IST0177",),
    )


def _meet(a: ServiceEntry, b: ServiceEntry) -> bool:
    """Whether some cluster may hold both, and some namespace there see both."""
    return _selectors_overlap(a.cluster_selector, b.cluster_selector) and _exports_overlap(a, b)


def _selectors_overlap(a: ClusterSelector, b: ClusterSelector) -> bool:
    if a.clusters and b.clusters:
        return not set(a.clusters).isdisjoint(b.clusters)
    return all(b.match_labels.get(key, value) == value for key, value in a.match_labels.items())


def _exports_overlap(a: ServiceEntry, b: ServiceEntry) -> bool:
    seen_a, seen_b = _viewers(a), _viewers(b)
    return "*" in seen_a or "*" in seen_b or not seen_a.isdisjoint(seen_b)


def _viewers(entry: ServiceEntry) -> set[str]:
    """Namespaces that see the entry, `*` for all."""
    return {entry.namespace if to == "." else to for to in entry.export_to or ("*",)}
