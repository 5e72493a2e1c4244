"""What the policy says of a destination, for one namespace of one cluster."""

from dataclasses import dataclass

from egress_server.domain.effective import Effective
from egress_server.domain.probe import Destination, Expectation, Outcome, matches_host
from egress_server.domain.resources import Labels, OutboundMode, Protocol, ServiceEntry, ServicePort


@dataclass(frozen=True, slots=True)
class Match:
    """The entry and port that serve a destination."""

    entry: ServiceEntry
    port: ServicePort


def expect(wanted: Effective, namespace: str, destination: Destination, labels: Labels | None = None) -> Expectation:
    """The outcome that policy asks for, and the resource that decides it, for a workload with `labels`."""
    if match := find_entry(wanted, namespace, destination):
        return _by(wanted, Outcome.REGISTERED, match.entry.name)
    policy = wanted.outbound_for(namespace, labels)
    blocked = policy is not None and policy.mode is OutboundMode.REGISTRY_ONLY
    outcome = Outcome.BLOCKED if blocked else Outcome.PASSTHROUGH
    return _by(wanted, outcome, policy.name if policy else "")


def find_entry(wanted: Effective, namespace: str, destination: Destination) -> Match | None:
    """The entry that a sidecar in `namespace` picks: exact host beats wildcard (the longest first), the client's own
    namespace beats others, then the oldest wins (what istiod 1.31 was seen to do)."""
    found = [
        ((_specificity(host), entry.namespace == namespace, -wanted.revisions[entry.name]), entry, port)
        for entry in wanted.entries
        if entry.visible_to(namespace)
        for host in entry.hosts
        if matches_host(host, destination.host)
        for port in entry.ports
        if port.number == destination.port and _carries(port.protocol, destination)
    ]
    if not found:
        return None
    _, entry, port = max(found, key=lambda item: item[0])
    return Match(entry, port)


def _carries(protocol: Protocol, destination: Destination) -> bool:
    """Whether a port of this protocol takes such a connection: HTTP by Host, TLS by server name, TCP anything."""
    if protocol.is_http:
        return destination.scheme == "http"
    if protocol.is_tls:
        return destination.scheme == "https"
    return True


def _specificity(host: str) -> tuple[bool, int]:
    return not host.startswith("*"), len(host)


def _by(wanted: Effective, outcome: Outcome, resource: str) -> Expectation:
    return Expectation(outcome, resource, wanted.revisions.get(resource, 0))
