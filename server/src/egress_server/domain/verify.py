"""Which probes show that policy has taken effect on a cluster, and what their verdicts say.

Nothing here may make harm: an entry's own host is dialled because somebody allowed it; where nobody did, a probe goes
only where Envoy must answer by itself, or to a destination that the operator named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import ResourceKind, is_resource, parse_name
from egress_server.domain.model.resources import Fault, Labels, OutboundPolicy, ServiceEntry
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.domain.probe.judge import PASSTHROUGH_CLUSTER, Expectation, Outcome, Verdict
from egress_server.domain.probe.targets import address_of, destinations, why_none
from egress_server.domain.simulate.evaluate import evaluate
from egress_server.domain.simulate.outbound_mode import effective_mode

UNREGISTERED_HOST = "unregistered.mesh-egress.invalid"
"""A host that nobody registers: RFC 2606 reserves `.invalid`."""
UNROUTED_ADDRESS = "203.0.113.1"
"""Of TEST-NET-3, which RFC 5737 keeps out of the Internet: should policy fail, the packet arrives nowhere."""
PROBE_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload with an agent beside it: the eyes of verification."""

    agent: str
    namespace: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class PlannedProbe:
    """A probe from a workload, and what it should show."""

    workload: Workload
    attempt: Attempt
    expected: Expectation


@dataclass(frozen=True, slots=True)
class Subject:
    """A resource whose effect is to be seen: the checks that show it, or why no probe can."""

    resource: str
    checks: tuple[PlannedProbe, ...] = ()
    obstacle: str = ""


class Agreement(Enum):
    """What a verdict says of an expectation."""

    AGREES = "AGREES"
    DIFFERS = "DIFFERS"
    UNKNOWN = "UNKNOWN"


Gone = ServiceEntry | OutboundPolicy | Fault
Due = Mapping[str, Gone | None]
"""Names of resources to look at; with their last state where they are gone."""


def changed(before: Effective | None, now: Effective, verified_revision: int) -> dict[str, Gone | None]:
    """What to look at on the way from `before` to `now`. Without `before`, all that changed after `verified_revision`;
    the cluster itself too where none was ever verified."""
    if before is None:
        first: dict[str, Gone | None] = {} if verified_revision else {now.cluster.name: None}
        return first | {name: None for name, revision in now.revisions.items() if revision > verified_revision}
    due: dict[str, Gone | None] = {
        name: None for name, revision in now.revisions.items() if before.revisions.get(name) != revision
    }
    faults = (active.fault for active in before.faults)
    lost: tuple[Gone, ...] = (*before.entries, *before.outbound.values(), *faults)
    return due | {resource.name: resource for resource in lost if resource.name not in now.revisions}


def subjects(now: Effective, due: Due, workloads: Sequence[Workload], known: Sequence[Destination]) -> list[Subject]:
    """The subjects of one round: each resource that is due, and the mode, which is looked at every time.

    `workloads` holds at least one; `known` are destinations outside that may be dialled although nobody registered
    them.
    """
    entries = {entry.name: entry for entry in now.entries}
    faults = {active.fault.name: active for active in now.faults}
    found, mode_seen = [], False
    for name, gone in due.items():
        if entry := entries.get(name):
            found.append(_present_entry(now, entry, workloads))
        elif isinstance(gone, ServiceEntry):
            found.append(_gone_entry(now, gone, workloads[0], known))
        elif active := faults.get(name):
            found.append(_present_fault(now, active, workloads))
        elif isinstance(gone, Fault):
            found.append(_gone_fault(now, gone, workloads))
        elif obstacle := _why_unseen(name):
            found.append(Subject(name, obstacle=obstacle))
        else:
            mode_seen = True
            found.append(_mode(now, name, _decided(now, name, gone, workloads), known))
    if not mode_seen and (check := _negative(now, workloads[0], known)):
        found.append(Subject(_accountable(now, check), (check,)))
    return found


def _accountable(now: Effective, check: PlannedProbe) -> str:
    """Whose verdict the check's is: the resource's that decides, else the cluster's own."""
    return check.expected.resource if is_resource(check.expected.resource) else now.cluster.name


def compare(expected: Expectation, verdict: Verdict) -> Agreement:
    """Whether the sidecar decided as policy says. A destination that is down does not speak against the policy, as
    long as the right upstream failed to reach it."""
    if Outcome.INCONCLUSIVE in {verdict.outcome, expected.outcome}:
        return Agreement.UNKNOWN
    decided = verdict.outcome
    if decided is Outcome.UNREACHABLE:
        decided = Outcome.PASSTHROUGH if verdict.upstream == PASSTHROUGH_CLUSTER else Outcome.REGISTERED
    return Agreement.AGREES if expected.allows(decided) else Agreement.DIFFERS


def expected_of(now: Effective, check: PlannedProbe, evidence: Evidence) -> Expectation:
    """What policy says of a check, now that it is known which address was dialled."""
    address = check.attempt.resolve or evidence.address.rpartition(":")[0].strip("[]")
    if not address:
        return check.expected
    workload, attempt = check.workload, check.attempt
    return evaluate(
        now, workload.namespace, attempt.destination, workload.labels, address=address, headers=attempt.headers
    )


def _present_entry(now: Effective, entry: ServiceEntry, workloads: Sequence[Workload]) -> Subject:
    seeing = [workload for workload in workloads if entry.visible_to(workload.namespace)]
    if not seeing:
        return Subject(entry.name, obstacle="no agent serves in a namespace that this entry is exported to")
    workload = min(seeing, key=lambda candidate: candidate.namespace != entry.namespace)
    address = address_of(entry)
    dialled = destinations(entry)
    if not dialled or address is None:
        return Subject(entry.name, obstacle=why_none(entry))
    checks = [_check(now, workload, each, address) for each in dialled]
    # A fault on its route is a way for it to work, too.
    serving = tuple(check for check in checks if _serves(check.expected, entry))
    return Subject(entry.name, serving, "" if serving else "another entry for its host takes precedence over it")


def _serves(expected: Expectation, entry: ServiceEntry) -> bool:
    return expected.outcome is Outcome.FAULTED or (
        expected.outcome is Outcome.REGISTERED and expected.resource == entry.name
    )


def _gone_entry(now: Effective, entry: ServiceEntry, workload: Workload, known: Sequence[Destination]) -> Subject:
    checks = []
    for destination in destinations(entry):
        outside = destination in known
        check = _check(now, workload, destination, "" if outside else UNROUTED_ADDRESS)
        if outside or check.expected.outcome is Outcome.BLOCKED:
            checks.append(check)
    text = "what is no longer registered may pass here, and is not dialled to see that it does"
    return Subject(entry.name, tuple(checks), "" if checks else text)


def _present_fault(now: Effective, active: ActiveFault, workloads: Sequence[Workload]) -> Subject:
    """A request that the fault is for, from a workload that it is for."""
    fault = active.fault
    headers = {match.name: match.value or "1" for match in fault.match_headers}
    checks = (_check(now, *dialled, headers) for dialled in _requests_to(now, fault, workloads))
    check = next((check for check in checks if check.expected.resource == fault.name), None)
    if check is not None:
        return Subject(fault.name, (check,))
    return Subject(fault.name, obstacle="no agent serves a workload that could make a request it is for")


def _gone_fault(now: Effective, fault: Fault, workloads: Sequence[Workload]) -> Subject:
    """A request that it was for reaches the service again."""
    headers = {match.name: match.value or "1" for match in fault.match_headers}
    checks = (_check(now, *dialled, headers) for dialled in _requests_to(now, fault, workloads))
    check = next((check for check in checks if check.expected.outcome is Outcome.REGISTERED), None)
    return Subject(fault.name, (check,)) if check else Subject(fault.name, obstacle="no request shows that it is gone")


def _requests_to(
    now: Effective, fault: Fault, workloads: Sequence[Workload]
) -> Iterator[tuple[Workload, Destination, str]]:
    """Who may ask what by plain HTTP, and the address to dial, of the entries for the fault's host."""
    for entry in now.entries:
        address = address_of(entry)
        if fault.host not in entry.hosts or fault.host.startswith("*") or address is None:
            continue
        for port in entry.ports:
            if port.protocol.is_http and (not fault.ports or port.number in fault.ports):
                yield from ((w, Destination("http", fault.host, port.number), address) for w in workloads)


def _why_unseen(name: str) -> str:
    """Why no probe of ours shows a resource of this kind; empty for the others."""
    match parse_name(name).kind:
        case ResourceKind.FAULT:
            return "its time is over"
        case ResourceKind.INTERCEPTION:
            return "which connections it lets past depends on the address; probe one to see it"
    return ""


def _decided(now: Effective, name: str, gone: Gone | None, workloads: Sequence[Workload]) -> Workload | None:
    """A workload for which a policy decides, or did before it went; any for the cluster itself."""
    if name == now.cluster.name:
        return workloads[0]
    if isinstance(gone, OutboundPolicy):
        fits = (w for w in workloads if gone.scope.namespace in {"", w.namespace})
        return next((w for w in fits if gone.scope.match_labels.items() <= w.labels.items()), None)
    policies = ((w, effective_mode(now, w.namespace, w.labels).policy) for w in workloads)
    return next((w for w, policy in policies if policy and policy.name == name), None)


def _mode(now: Effective, name: str, workload: Workload | None, known: Sequence[Destination]) -> Subject:
    if workload is None:
        return Subject(name, obstacle="no agent serves a workload for which this policy decides")
    if check := _negative(now, workload, known):
        return Subject(name, (check,))
    if _unregistered(now, workload).expected.outcome is Outcome.REGISTERED:
        return Subject(name, obstacle="an entry covers every host, so none is left that nobody registered")
    text = "unregistered traffic may pass here, and no destination outside is known that may be dialled to see it"
    return Subject(name, obstacle=text)


def _negative(now: Effective, workload: Workload, known: Sequence[Destination]) -> PlannedProbe | None:
    """A connection to something that nobody registered: where it must be blocked, one that Envoy answers by itself;
    where it may pass, only to a known destination."""
    check = _unregistered(now, workload)
    if check.expected.outcome is Outcome.BLOCKED:
        return check
    checks = (_check(now, workload, destination, "") for destination in known)
    return next((check for check in checks if check.expected.outcome is Outcome.PASSTHROUGH), None)


def _unregistered(now: Effective, workload: Workload) -> PlannedProbe:
    return _check(now, workload, Destination("http", UNREGISTERED_HOST, 80), UNROUTED_ADDRESS)


def _check(
    now: Effective,
    workload: Workload,
    destination: Destination,
    address: str,
    headers: Mapping[str, str] | None = None,
) -> PlannedProbe:
    attempt = Attempt(destination, headers=headers or {}, resolve=address, timeout=PROBE_TIMEOUT_SECONDS)
    expected = evaluate(now, workload.namespace, destination, workload.labels, address=address, headers=attempt.headers)
    return PlannedProbe(workload, attempt, expected)
