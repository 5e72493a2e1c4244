"""Rules that look at a mutation beside what is already there; `rule.py` says what a rule is, docs/lint what each finds.

Codes: EGR01xx service entries, EGR02xx faults, EGR03xx outbound policies, EGR04xx interceptions, EGR05xx everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from egress_server.domain.findings import Finding
from egress_server.domain.lint.protocol_conflict import ProtocolConflict
from egress_server.domain.lint.rule import Rule
from egress_server.domain.resources import (
    Cluster,
    Fault,
    Interception,
    Mesh,
    OutboundPolicy,
    Resource,
    ServiceEntry,
)
from egress_server.domain.snapshot import Snapshot

__all__ = ["RULES", "LintResult", "Rule", "lint", "lint_delete"]

RULES: tuple[Rule[Any], ...] = (ProtocolConflict(),)
_KINDS = (Mesh, Cluster, OutboundPolicy, ServiceEntry, Fault, Interception)
_RULES_ON = {kind: tuple(rule for rule in RULES if kind in rule.on) for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class LintResult:
    """All findings on a mutation, and the buckets that the blocking rules looked at."""

    findings: tuple[Finding, ...]
    reads: frozenset[str]


def lint(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on setting `resource`, in the order of the rules."""
    rules = _RULES_ON[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.reads(snapshot, resource)),
    )


def lint_delete(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on deleting `resource`, in the order of the rules."""
    rules = _RULES_ON[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check_delete(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.delete_reads(snapshot, resource)),
    )


def _result(findings: Iterable[Finding], reads: Iterable[str]) -> LintResult:
    return LintResult(tuple(findings), frozenset(reads))
