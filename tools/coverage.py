"""Prints the branch coverage that `make test` has measured, and compares it with the floor in pyproject.toml.

python tools/coverage.py    exit 1 if it is below the floor
"""

import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / ".cache" / "coverage.json"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lines and branches that were executed, of how many."""

    lines: tuple[int, int]
    branches: tuple[int, int]

    @classmethod
    def of(cls, summary: dict[str, Any]) -> "Coverage":
        """From the summary of a file or of all files."""
        lines, branches = (
            (int(summary[f"covered_{what}"]), int(summary[f"covered_{what}"] + summary[f"missing_{what}"]))
            for what in ("lines", "branches")
        )
        return cls(lines, branches)

    @property
    def percent(self) -> float:
        """Of lines and branches together, as coverage.py has it."""
        return _percent(self.lines[0] + self.branches[0], self.lines[1] + self.branches[1])

    @property
    def missing(self) -> int:
        """How many lines and branches were not executed."""
        return self.lines[1] + self.branches[1] - self.lines[0] - self.branches[0]


def _percent(covered: int, total: int) -> float:
    return 100 * covered / total if total else 100.0


def report(measured: dict[str, Any], floor: float) -> tuple[bool, list[str]]:
    """Whether the floor holds, and what to print."""
    whole = Coverage.of(measured["summary"])
    files = {name: Coverage.of(file["summary"]) for name, file in measured["files"].items()}
    worst = sorted(files, key=lambda name: -files[name].missing)[:_SHOWN]
    holds = whole.percent >= floor
    return holds, [
        f"coverage: {whole.percent:.2f} % of lines and branches (floor {floor} %); lines "
        f"{_percent(*whole.lines):.2f} %, branches {_percent(*whole.branches):.2f} % of {whole.branches[1]}",
        *(f"coverage: {files[name].percent:6.2f} %, {files[name].missing} missing: {name}" for name in worst),
        *([] if holds else ["coverage: below the floor; test what is new, or find out what is no longer tested"]),
    ]


def main() -> int:
    """Exit code 1 if the coverage is below the floor."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        floor = tomllib.load(file)["tool"]["egress"]["coverage"]["fail_under"]
    holds, lines = report(json.loads(MEASURED.read_text()), floor)
    print("\n".join(lines))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
