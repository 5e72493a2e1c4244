"""Every rule of mutations, row by row: what it finds, and what it accepts."""

import pytest

from egress_server.domain.desired.snapshot import buckets_of
from egress_server.domain.lint.engine import RULES, lint, lint_delete
from egress_server.domain.model.findings import Severity
from tests.support.meshes import History
from tests.unit.lint import (
    grid_captures,
    grid_entries,
    grid_exports,
    grid_faults,
    grid_foreign,
    grid_mesh,
    grid_policies,
    grid_settings,
    grid_traffic,
)
from tests.unit.lint.cases import Case

GRIDS = (
    grid_captures,
    grid_entries,
    grid_exports,
    grid_faults,
    grid_foreign,
    grid_mesh,
    grid_policies,
    grid_settings,
    grid_traffic,
)
CASES = [case for grid in GRIDS for case in grid.CASES]
BLOCKED = [case for case in CASES if case.there and any(f.severity is Severity.ERROR for f in case.lint().findings)]


def rows(cases: list[Case]) -> pytest.MarkDecorator:
    """A test for each row, named after its text."""
    return pytest.mark.parametrize("case", [pytest.param(case, id=case.text) for case in cases])


@rows(CASES)
def test_findings(case: Case) -> None:
    """The mutation gives these findings and no others, each with a cause and a fix."""
    findings = case.lint().findings
    assert [f"{finding.code} {finding.field}" for finding in findings] == list(case.finds)
    for finding in findings:
        assert len(finding.cause) > 40
        assert len(finding.fix) > 15
        assert finding.resource != case.new.name


def test_each_rule_has_rows() -> None:
    """Each rule finds something, and accepts some resource of each kind that it applies to."""
    found = {finding.split()[0] for case in CASES for finding in case.finds}
    assert found == {rule.code for rule in RULES}
    passed = {(rule.code, type(case.new)) for case in CASES for rule in RULES if rule.code not in str(case.finds)}
    assert passed >= {(rule.code, kind) for rule in RULES for kind in rule.applies_to}


@rows(BLOCKED)
def test_no_write_skew(case: Case) -> None:
    """A mutation reads a bucket that the resource which blocks it has touched: neither could have been accepted on a
    snapshot without the other."""
    blocking = {f.resource for f in case.lint().findings if f.severity is Severity.ERROR and f.resource}
    for other in (resource for resource in case.there if resource.name in blocking):
        without = History(*(resource for resource in case.there if resource.name != other.name)).snapshot
        reads = (lint_delete if case.deletes else lint)(without, case.new).reads
        assert reads & (buckets_of(other) - {f"key/{other.name}"}), other.name
        if not case.deletes:
            assert lint(without, other).reads & case.touched(), other.name
