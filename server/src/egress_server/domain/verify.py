"""Which probes show that policy has taken effect on a cluster.

Probes must be harmless: an entry's own host may be dialed because policy allows it. Anything else is probed only if
Envoy must answer itself, or if the operator has configured the destination as a known one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import ResourceKind, is_resource, parse_name
from egress_server.domain.model.resources import Fault, MatchKind, OutboundPolicy, Resolution, ServiceEntry, StringMatch
from egress_server.domain.model.selectors import Labels
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.domain.probe.verdicts import Expectation, Outcome
from egress_server.domain.simulate.evaluate import predict
from egress_server.domain.simulate.outbound_mode import effective_mode

UNREGISTERED_HOST = "unregistered.mesh-egress.invalid"
"""A host that is never registered: RFC 2606 reserves `.invalid`."""
UNROUTED_ADDRESS = "203.0.113.1"
"""In TEST-NET-3, which RFC 5737 keeps off the Internet: if policy fails to block the connection, it reaches nothing."""
PROBE_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload with an agent, from which probes are sent."""

    agent: str
    namespace: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """A probe from a workload, and the outcome that policy expects."""

    workload: Workload
    attempt: Attempt
    expected: Expectation


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource to verify, with the probes that show its effect, or the reason why no probe can. `unprobed` says what
    the probes leave out, empty if nothing."""

    resource: str
    probes: tuple[PlannedProbe, ...] = ()
    obstacle: str = ""
    unprobed: str = ""


Removed = ServiceEntry | OutboundPolicy | Fault
Due = Mapping[str, Removed | None]
"""The names of resources to verify; those that have been removed with their last state."""


def changed(before: Effective | None, now: Effective, verified_revision: int) -> dict[str, Removed | None]:
    """The resources to verify after a change from `before` to `now`. Without `before`, those that changed after
    `verified_revision`, and the cluster itself if it has never been verified."""
    if before is None:
        first: dict[str, Removed | None] = {} if verified_revision else {now.cluster.name: None}
        return first | {name: None for name, revision in now.revisions.items() if revision > verified_revision}
    due: dict[str, Removed | None] = {
        name: None for name, revision in now.revisions.items() if before.revisions.get(name) != revision
    }
    faults = (active.fault for active in before.faults)
    known: tuple[Removed, ...] = (*before.entries, *before.outbound.values(), *faults)
    return due | {resource.name: resource for resource in known if resource.name not in now.revisions}


def subjects(now: Effective, due: Due, workloads: Sequence[Workload], known: Sequence[Destination]) -> list[Subject]:
    """The subjects of one round: each resource that is due, and the outbound mode, which is verified every time.

    `workloads` must not be empty; `known` are external destinations that may be dialed although they are unregistered.
    """
    entries = {entry.name: entry for entry in now.entries}
    faults = {active.fault.name: active for active in now.faults}
    found, verifies_mode = [], False
    for name, removed in due.items():
        if entry := entries.get(name):
            found.append(_entry(now, entry, workloads))
        elif isinstance(removed, ServiceEntry):
            found.append(_removed_entry(now, removed, workloads[0], known))
        elif active := faults.get(name):
            found.append(_fault(now, active, workloads))
        elif isinstance(removed, Fault):
            found.append(_removed_fault(now, removed, workloads))
        elif obstacle := _never_verified(name):
            found.append(Subject(name, obstacle=obstacle))
        else:
            verifies_mode = True
            found.append(_mode(now, name, _affected(now, name, removed, workloads), known))
    if not verifies_mode and (probe := _unregistered_probe(now, workloads[0], known)):
        found.append(Subject(_responsible(now, probe), (probe,)))
    return found


def _responsible(now: Effective, probe: PlannedProbe) -> str:
    """The resource that decides the probe's outcome, or else the cluster."""
    return probe.expected.resource if is_resource(probe.expected.resource) else now.cluster.name


def expected_of(now: Effective, probe: PlannedProbe, evidence: Evidence) -> Expectation:
    """What policy expects of a probe, given the address that was dialed."""
    address = probe.attempt.resolve or evidence.address.rpartition(":")[0].strip("[]")
    if not address:
        return probe.expected
    workload, attempt = probe.workload, probe.attempt
    return predict(
        now,
        workload.namespace,
        attempt.destination,
        workload.labels,
        address=address,
        headers=attempt.headers,
        method=attempt.method,
    )


def _entry(now: Effective, entry: ServiceEntry, workloads: Sequence[Workload]) -> Subject:
    seeing = [workload for workload in workloads if entry.visible_to(workload.namespace)]
    if not seeing:
        return Subject(entry.name, obstacle="no agent runs in a namespace that this entry is exported to")
    workload = min(seeing, key=lambda candidate: candidate.namespace != entry.namespace)
    address = _address_to_dial(entry)
    if not _destinations(entry) or address is None:
        return Subject(entry.name, obstacle=_no_destination_reason(entry))
    probes = [_probe(now, workload, each, address) for each in _destinations(entry)]
    if reason := next((reason for probe in probes if (reason := _not_served(probe, entry))), ""):
        return Subject(entry.name, obstacle=reason)
    others = [_probe(now, workload, each, address) for each in _tcp_destinations(entry)]
    hidden = (probe for probe in others if probe.expected.outcome is not Outcome.INCONCLUSIVE)
    if reason := next((reason for probe in hidden if (reason := _not_served(probe, entry))), ""):
        return Subject(entry.name, obstacle=reason)
    return Subject(entry.name, tuple(probes), unprobed=_unprobed(entry))


def _not_served(probe: PlannedProbe, entry: ServiceEntry) -> str:
    """Why the entry does not get the connection; empty if it does. A fault on its route proves that it works, too."""
    expected, destination = probe.expected, probe.attempt.destination
    if expected.outcome is Outcome.FAULTED or (
        expected.outcome is Outcome.REGISTERED and expected.resource == entry.name
    ):
        return ""
    where = f"port {destination.port} of {destination.host}"
    if expected.outcome is Outcome.REGISTERED:
        return f"{expected.resource} takes precedence on {where}"
    by = f" by {expected.resource}" if expected.resource else ""
    return f"policy expects {expected.outcome.value}{by} on {where}, so the entry does not serve it"


def _unprobed(entry: ServiceEntry) -> str:
    """Which ports and hosts of the entry its probes leave out."""
    ports = [f"{each.port} (TCP)" for each in _tcp_destinations(entry)]
    hosts = [host for host in entry.hosts if host != _host_to_dial(entry)]
    parts = [f"{word} {', '.join(names)}" for word, names in (("ports", ports), ("hosts", hosts)) if names]
    return f"not probed: {'; '.join(parts)}" if parts else ""


def _removed_entry(now: Effective, entry: ServiceEntry, workload: Workload, known: Sequence[Destination]) -> Subject:
    probes = []
    for destination in _destinations(entry):
        is_known = destination in known
        probe = _probe(now, workload, destination, "" if is_known else UNROUTED_ADDRESS)
        if is_known or probe.expected.outcome is Outcome.BLOCKED:
            probes.append(probe)
    text = "unregistered traffic may pass here, so its former hosts are not dialed"
    return Subject(entry.name, tuple(probes), "" if probes else text)


def _fault(now: Effective, active: ActiveFault, workloads: Sequence[Workload]) -> Subject:
    """Probed with a request that the fault applies to, from a workload that it applies to."""
    fault = active.fault
    if _method(fault) is None:
        return Subject(fault.name, obstacle=_OTHER_METHOD)
    probe = next((probe for probe in _fault_probes(now, fault, workloads) if _shows(probe, fault)), None)
    if probe is not None:
        return Subject(fault.name, (probe,))
    return Subject(fault.name, obstacle="no agent runs in a workload whose requests it applies to")


def _shows(probe: PlannedProbe, fault: Fault) -> bool:
    return probe.expected.resource == fault.name


def _removed_fault(now: Effective, fault: Fault, workloads: Sequence[Workload]) -> Subject:
    """Probed with a request that it applied to, which must reach the service again."""
    probes = _fault_probes(now, fault, workloads)
    probe = next((probe for probe in probes if probe.expected.outcome is Outcome.REGISTERED), None)
    return Subject(fault.name, (probe,)) if probe else Subject(fault.name, obstacle="no probe can show its removal")


_OTHER_METHOD = "probes only send HEAD and GET requests, and the fault applies to another method"


def _fault_probes(now: Effective, fault: Fault, workloads: Sequence[Workload]) -> Iterator[PlannedProbe]:
    """Requests that meet the fault's conditions, as far as a condition says how."""
    headers = {match.name: match.value or "1" for match in fault.match_headers}
    method = _method(fault)
    for workload, destination, address in _requests_to(now, fault, workloads):
        if method is not None:
            yield _probe(now, workload, replace(destination, path=_path(fault)), address, headers, method)


def _method(fault: Fault) -> str | None:
    """A method of probes that the fault applies to; None if there is none."""
    match = fault.match_method
    if match is None:
        return "HEAD"
    return next((method for method in ("HEAD", "GET") if _meets(method, match)), None)


def _meets(text: str, match: StringMatch) -> bool:
    match match.kind:
        case MatchKind.EXACT:
            return text == match.value
        case MatchKind.PREFIX:
            return text.startswith(match.value)
        case MatchKind.REGEX:
            return re.fullmatch(match.value, text) is not None
    return True


def _path(fault: Fault) -> str:
    """A path that the fault applies to, as far as its condition says."""
    match = fault.match_uri
    return match.value if match and match.kind in {MatchKind.EXACT, MatchKind.PREFIX} else "/"


def _requests_to(
    now: Effective, fault: Fault, workloads: Sequence[Workload]
) -> Iterator[tuple[Workload, Destination, str]]:
    """Who may send plain HTTP requests to the fault's host, and the address to dial, per entry for the host."""
    for entry in now.entries:
        address = _address_to_dial(entry)
        if fault.host not in entry.hosts or fault.host.startswith("*") or address is None:
            continue
        for port in entry.ports:
            if port.protocol.is_http and (not fault.ports or port.number in fault.ports):
                yield from ((w, Destination("http", fault.host, port.number), address) for w in workloads)


def _never_verified(name: str) -> str:
    """Why no probe can verify a resource of this kind; empty for the other kinds."""
    match parse_name(name).kind:
        case ResourceKind.FAULT:
            return "it has expired"
        case ResourceKind.INTERCEPTION:
            return "its effect depends on the destination address; probe a specific one to check it"
    return ""


def _affected(now: Effective, name: str, removed: Removed | None, workloads: Sequence[Workload]) -> Workload | None:
    """A workload to which a policy applies, or applied before its removal; any workload for the cluster itself."""
    if name == now.cluster.name:
        return workloads[0]
    if isinstance(removed, OutboundPolicy):
        in_scope = (w for w in workloads if removed.scope.namespace in {"", w.namespace})
        return next((w for w in in_scope if removed.scope.match_labels.items() <= w.labels.items()), None)
    policies = ((w, effective_mode(now, w.namespace, w.labels).policy) for w in workloads)
    return next((w for w, policy in policies if policy and policy.name == name), None)


def _mode(now: Effective, name: str, workload: Workload | None, known: Sequence[Destination]) -> Subject:
    if workload is None:
        return Subject(name, obstacle="no agent runs in a workload that this policy applies to")
    if probe := _unregistered_probe(now, workload, known):
        return Subject(name, (probe,))
    if _probe_unregistered(now, workload).expected.outcome is Outcome.REGISTERED:
        return Subject(name, obstacle="an entry covers every host, so no host is unregistered")
    text = "unregistered traffic may pass here, and no known external destination is configured to verify that"
    return Subject(name, obstacle=text)


def _unregistered_probe(now: Effective, workload: Workload, known: Sequence[Destination]) -> PlannedProbe | None:
    """A connection to an unregistered destination: if it must be blocked, to one that Envoy answers itself; if it may
    pass, only to a known destination."""
    probe = _probe_unregistered(now, workload)
    if probe.expected.outcome is Outcome.BLOCKED:
        return probe
    probes = (_probe(now, workload, destination, "") for destination in known)
    return next((probe for probe in probes if probe.expected.outcome is Outcome.PASSTHROUGH), None)


def _probe_unregistered(now: Effective, workload: Workload) -> PlannedProbe:
    return _probe(now, workload, Destination("http", UNREGISTERED_HOST, 80), UNROUTED_ADDRESS)


def _probe(
    now: Effective,
    workload: Workload,
    destination: Destination,
    address: str,
    headers: Mapping[str, str] | None = None,
    method: str = "HEAD",
) -> PlannedProbe:
    attempt = Attempt(destination, method, headers or {}, address, PROBE_TIMEOUT_SECONDS)
    expected = predict(
        now, workload.namespace, destination, workload.labels, address=address, headers=attempt.headers, method=method
    )
    return PlannedProbe(workload, attempt, expected)


def _host_to_dial(entry: ServiceEntry) -> str | None:
    """The entry's first host that is not a wildcard."""
    return next((host for host in entry.hosts if not host.startswith("*")), None)


def _destinations(entry: ServiceEntry) -> list[Destination]:
    """One for each HTTP and each TLS port, on the host to dial."""
    host = _host_to_dial(entry)
    if host is None:
        return []
    http = [Destination("http", host, port.number) for port in entry.ports if port.protocol.is_http]
    return [*http, *(Destination("https", host, port.number) for port in entry.ports if port.protocol.is_tls)]


def _tcp_destinations(entry: ServiceEntry) -> list[Destination]:
    """The entry's other ports, which are not dialed: many servers count connections without a request as errors."""
    others = [port for port in entry.ports if not (port.protocol.is_http or port.protocol.is_tls)]
    return [Destination("tcp", host, port.number) for host in filter(None, [_host_to_dial(entry)]) for port in others]


def _address_to_dial(entry: ServiceEntry) -> str | None:
    """The address to dial; empty to resolve the host by DNS, None if the entry only has ranges of addresses."""
    if entry.addresses:
        return next((address for address in entry.addresses if "/" not in address), None)
    if entry.resolution is Resolution.STATIC:
        return next((endpoint.address for endpoint in entry.endpoints), "")
    return ""


def _no_destination_reason(entry: ServiceEntry) -> str:
    """Why an entry has no destination to dial."""
    if all(host.startswith("*") for host in entry.hosts):
        return "it has only wildcard hosts, so there is no host to dial"
    if not _destinations(entry):
        return "it has neither an HTTP nor a TLS port, and only those show which service a connection reached"
    return "it has only ranges of addresses, so there is no single address to dial"
