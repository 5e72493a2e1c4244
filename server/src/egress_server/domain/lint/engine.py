"""Finds all rules and runs them on a mutation or a connection.

Codes: EGR01xx service entries, EGR02xx faults, EGR03xx outbound policies, EGR04xx interceptions, EGR05xx all resources
and clusters, EGR06xx connections, EGR07xx foreign objects on the clusters.
"""

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from egress_server.domain import lint as package
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import BaseRule, Connection, ExplainRule, Rule
from egress_server.domain.model.clusters import Cluster, Mesh
from egress_server.domain.model.findings import Finding
from egress_server.domain.model.resources import Fault, Interception, OutboundPolicy, Resource, ServiceEntry


def _find_rules() -> Iterator[BaseRule]:
    """Every concrete rule in the sub-packages. A new rule only has to exist, so there is no list to maintain."""
    for group in iter_modules(package.__path__, f"{package.__name__}."):
        if group.ispkg:
            for module in iter_modules(import_module(group.name).__path__, f"{group.name}."):
                for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
                    if issubclass(found, BaseRule) and found.__module__ == module.name:
                        yield found()


ALL_RULES: tuple[BaseRule, ...] = tuple(sorted(_find_rules(), key=lambda rule: rule.code))
RULES: tuple[Rule[Any], ...] = tuple(rule for rule in ALL_RULES if isinstance(rule, Rule))
CONNECTION_RULES: tuple[ExplainRule, ...] = tuple(rule for rule in ALL_RULES if isinstance(rule, ExplainRule))

_KINDS = (Mesh, Cluster, OutboundPolicy, ServiceEntry, Fault, Interception)
_RULES_FOR = {kind: tuple(rule for rule in RULES if kind in rule.applies_to) for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class LintResult:
    """All findings on a mutation, and the buckets that the blocking rules have read."""

    findings: tuple[Finding, ...]
    reads: frozenset[str]


def lint(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on setting `resource`, in the order of the rules."""
    rules = _RULES_FOR[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.reads(snapshot, resource)),
    )


def lint_delete(snapshot: Snapshot, resource: Resource) -> LintResult:
    """The findings on deleting `resource`, in the order of the rules."""
    rules = _RULES_FOR[type(resource)]
    return _result(
        (finding for rule in rules for finding in rule.check_delete(snapshot, resource)),
        (bucket for rule in rules for bucket in rule.delete_reads(snapshot, resource)),
    )


def lint_connection(connection: Connection) -> tuple[Finding, ...]:
    """The findings on a connection, in the order of the rules."""
    return tuple(finding for rule in CONNECTION_RULES for finding in rule.check(connection))


def _result(findings: Iterable[Finding], reads: Iterable[str]) -> LintResult:
    return LintResult(tuple(findings), frozenset(reads))
