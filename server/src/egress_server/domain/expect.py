"""What the policy says of a destination, for one namespace of one cluster."""

from collections import defaultdict
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
    """The entry that a sidecar in `namespace` picks: exact host beats wildcard, the longest wildcard first."""
    services: dict[str, list[ServiceEntry]] = defaultdict(list)
    for entry in wanted.entries:
        if entry.visible_to(namespace):
            for host in entry.hosts:
                if matches_host(host, destination.host):
                    services[host].append(entry)
    for host in sorted(services, key=_specificity, reverse=True):
        match = _serving(_merged(wanted, namespace, services[host]), destination)
        if match is not None:
            return match
    return None


def _merged(wanted: Effective, namespace: str, entries: list[ServiceEntry]) -> list[ServiceEntry]:
    """Of the entries for one host, those that count, oldest first: entries of different namespaces don't merge, the
    client's own namespace wins and else that of the oldest (what istiod 1.31 was seen to do)."""
    by_age = sorted(entries, key=lambda entry: (wanted.created[entry.name], entry.name))
    own = [entry for entry in by_age if entry.namespace == namespace]
    return own or [entry for entry in by_age if entry.namespace == by_age[0].namespace]


def _serving(entries: list[ServiceEntry], destination: Destination) -> Match | None:
    """The oldest that declares the port, if it carries such a connection."""
    declared = (Match(entry, port) for entry in entries for port in entry.ports if port.number == destination.port)
    match = next(declared, None)
    return match if match and _carries(match.port.protocol, destination) else None


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
