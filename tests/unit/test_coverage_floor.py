"""The coverage that `make test` reports is compared with the floor."""

import subprocess
from typing import Any

import pytest

from tests.support.paths import ROOT
from tools.coverage import report


def summary(lines: int, branches: int) -> dict[str, Any]:
    """Of 100 lines and 50 branches."""
    return {
        "covered_lines": lines,
        "missing_lines": 100 - lines,
        "covered_branches": branches,
        "missing_branches": 50 - branches,
    }


MEASURED = {
    "summary": summary(90, 30),
    "files": {"good.py": {"summary": summary(100, 50)}, "bad.py": {"summary": summary(10, 0)}},
}


@pytest.mark.parametrize(("floor", "holds"), [(80.0, True), (79.9, True), (80.1, False)])
def test_the_floor_is_held(floor: float, holds: bool) -> None:
    """In percent of lines and branches together; the worst files come first."""
    passed, lines = report(MEASURED, floor)
    assert passed is holds
    assert lines[0].startswith(f"coverage: 80.00 % of lines and branches (floor {floor} %)")
    assert lines[1] == "coverage:   6.67 %, 140 missing: bad.py"
    assert ("below the floor" in lines[-1]) is not holds


@pytest.mark.parametrize(
    ("arguments", "measures"), [((), True), (("ARGS=-k x",), False), (("TIERS=unit contract",), False)]
)
def test_only_a_whole_run_is_measured(arguments: tuple[str, ...], measures: bool) -> None:
    """A run that is narrowed can't reach the floor, so it must not fail because of that."""
    planned = subprocess.run(["make", "-n", "test", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ("slipcover" in planned.stdout) is measures
    assert ("tools/coverage.py" in planned.stdout) is measures
