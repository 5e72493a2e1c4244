"""EGR0404: policy that has no effect on connections which bypass the sidecar.

REGISTRY_ONLY, entries and faults are enforced by the sidecar. Include ranges without the external services, exclude
ranges and excluded ports let connections bypass it: they are not blocked, not delayed and not routed (istio#3883,
#15620, #23523).
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.captures import PartialCapture, bypass_reason, capture_rules, partial_captures
from egress_server.domain.lint.fault_rule import entries_of
from egress_server.domain.lint.foreign_objects import EXAMINED, first_names
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import (
    Fault,
    Interception,
    OutboundMode,
    OutboundPolicy,
    ServiceEntry,
)
from egress_server.domain.model.selectors import ANY_NAMESPACE, selectors_overlap, visible_namespaces
from egress_server.domain.simulate.interception import CaptureRules, describe_bypassed

_Any = Interception | OutboundPolicy | ServiceEntry | Fault


class BypassedPolicy(Rule[_Any]):
    """One finding, on whichever of the two is set last; an interception has one each for policies, entries and
    faults."""

    code = "EGR0404"
    severity = Severity.WARNING
    title = "policy without effect on connections that bypass the sidecar"
    applies_to = (Interception, OutboundPolicy, ServiceEntry, Fault)

    def check(self, snapshot: Snapshot, resource: _Any) -> Iterator[Finding]:
        """Checks the interceptions and the injector's values, or what an interception leaves without effect."""
        match resource:
            case Interception():
                yield from self._check_interception(snapshot, resource)
            case OutboundPolicy() if resource.mode is OutboundMode.REGISTRY_ONLY:
                captures = partial_captures(snapshot, _viewers(resource), resource.cluster_selector)
                found = ((capture, describe_bypassed(capture.rules)) for capture in captures)
                yield from self._first(found, "mode", "connections {why} bypass the sidecar and are not blocked")
            case ServiceEntry():
                ports = [port.number for port in resource.ports]
                captures = partial_captures(snapshot, visible_namespaces(resource), resource.cluster_selector)
                found = ((capture, bypass_reason(capture.rules, resource, ports)) for capture in captures)
                yield from self._first(
                    found,
                    "hosts",
                    f"connections to {resource.hosts[0]} bypass the sidecar, so the entry has no effect"
                    " on them ({why})",
                )
            case Fault():
                effect = f"requests to {resource.host} bypass the sidecar, so the fault does not affect them ({{why}})"
                yield from self._first(_of_fault(snapshot, resource), "host", effect)

    def _first(self, found: Iterable[tuple[PartialCapture, str]], field: str, effect: str) -> Iterator[Finding]:
        """A finding about the first capture that has a reason."""
        for capture, why in found:
            if why:
                yield self.finding(
                    field,
                    f"under {capture.description}, {effect.format(why=why)}",
                    "include these addresses and ports in interception, or restrict them by a NetworkPolicy",
                    capture.resource,
                )
                return

    def _check_interception(self, snapshot: Snapshot, policy: Interception) -> Iterator[Finding]:
        rules = capture_rules(snapshot, policy)
        bypassed = describe_bypassed(rules)
        if not bypassed:
            return
        viewers, field = _viewers(policy), _field(policy)
        strict = [
            other.name
            for other in islice(snapshot.indexes.registry_only(viewers), EXAMINED)
            if selectors_overlap(other.cluster_selector, policy.cluster_selector)
        ]
        entries = list(_bypassed_entries(snapshot, policy, rules))
        faults = [
            fault.name
            for entry in entries
            for host in entry.hosts
            for fault in snapshot.indexes.faults_on(host).values()
            if ANY_NAMESPACE in viewers or fault.source_namespace in {"", *viewers}
            if selectors_overlap(fault.cluster_selector, policy.cluster_selector)
            and any(why for capture, why in _of_fault(snapshot, fault, (PartialCapture(rules, "", policy.name),)))
        ]
        effects = (
            (strict, f"they are not blocked by {first_names(strict)}"),
            (
                [entry.name for entry in entries],
                f"{first_names(entry.name for entry in entries)} has no effect on them",
            ),
            (faults, f"they are not affected by {first_names(faults)}"),
        )
        for names, effect in effects:
            if names:
                yield self.finding(
                    field,
                    f"connections {bypassed} bypass the sidecar, so {effect}",
                    "include the addresses and ports of external services; without include ranges, all are intercepted",
                    names[0],
                )


def _viewers(policy: Interception | OutboundPolicy) -> tuple[str, ...]:
    return (policy.scope.namespace or ANY_NAMESPACE,)


def _bypassed_entries(snapshot: Snapshot, policy: Interception, rules: CaptureRules) -> Iterator[ServiceEntry]:
    """Of the first EXAMINED entries that workloads under `policy` may see, those whose connections bypass the
    sidecar."""
    for entry in islice(snapshot.indexes.entries(_viewers(policy), policy.cluster_selector), EXAMINED):
        if bypass_reason(rules, entry, [port.number for port in entry.ports]):
            yield entry


def _of_fault(
    snapshot: Snapshot, fault: Fault, captures: Iterable[PartialCapture] | None = None
) -> Iterator[tuple[PartialCapture, str]]:
    """Why requests that the fault affects bypass the sidecar, for each entry of its host."""
    for entry in entries_of(snapshot, fault):
        viewers = (fault.source_namespace,) if fault.source_namespace else visible_namespaces(entry)
        ports = fault.ports or [port.number for port in entry.ports if port.protocol.is_http]
        found = partial_captures(snapshot, viewers, fault.cluster_selector) if captures is None else captures
        for capture in found:
            yield capture, bypass_reason(capture.rules, entry, ports)


def _field(policy: Interception) -> str:
    """The field to blame."""
    if policy.none:
        return "none"
    if policy.include_cidrs:
        return "include_cidrs"
    if policy.include_service_cidrs:
        return "include_service_cidrs"
    return "exclude_outbound_ports" if policy.exclude_outbound_ports else "exclude_cidrs"
