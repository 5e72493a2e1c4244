"""Rules that look at a mutation beside what is already there. One file a rule; codes are permanent.

A rule looks through the snapshot's indexes, never over all entries. A rule that may report an ERROR declares the
buckets it looked at, so that the store refuses the commit if one of them changed meanwhile (no write skew).
"""

from collections.abc import Callable
from dataclasses import dataclass

from egress_server.domain.findings import Finding
from egress_server.domain.lint import protocol_conflict
from egress_server.domain.resources import Resource
from egress_server.domain.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `check` gives its findings on setting a resource, `reads` the buckets it looks at for that."""

    code: str
    check: Callable[[Snapshot, Resource], list[Finding]]
    reads: Callable[[Resource], frozenset[str]]


RULES: tuple[Rule, ...] = (Rule(protocol_conflict.CODE, protocol_conflict.check, protocol_conflict.reads),)


@dataclass(frozen=True, slots=True)
class LintResult:
    """All findings on a mutation, and the buckets that the blocking rules looked at."""

    findings: tuple[Finding, ...]
    reads: frozenset[str]


def lint(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on setting `resource`, in the order of the rules."""
    findings = [finding for rule in RULES for finding in rule.check(snapshot, resource)]
    reads = frozenset().union(*(rule.reads(resource) for rule in RULES))
    return LintResult(tuple(findings), reads)
