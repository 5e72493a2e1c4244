"""The page about codes of other tools has a row for each of them, with its rules or the reason why there is none."""

import re
from pathlib import Path

from egress_server.domain.lint.engine import ALL_RULES
from tests.support.paths import ROOT

KNOWN = ROOT / "tests" / "data" / "other_tools"
PAGE = ROOT / "docs" / "lint" / "other-tools.md"


def codes(path: Path) -> list[str]:
    """The codes in a list, whose first line names its source and version."""
    first, *lines = path.read_text().splitlines()
    assert re.search(r"^# Codes of .+ [0-9a-f]{12}\b|\([0-9a-f]{12}\)", first)
    return lines


def rows() -> dict[str, tuple[set[str], str]]:
    """By code: the rules, and what the last column says."""
    lines = [
        line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith(("| IST", "| KIA"))
    ]
    return {code: (set(re.findall(r"\[(EGR\d{4})\]\(\1\.md\)", cell)), cell) for code, _, cell in lines}


def test_each_code_has_a_row() -> None:
    """In the order of the lists, none twice and none without a list."""
    assert list(rows()) == codes(KNOWN / "istio.txt") + codes(KNOWN / "kiali.txt")
    assert len(re.findall(r"^\| (?:IST|KIA)", PAGE.read_text(), re.MULTILINE)) == len(rows())


def test_rules_or_a_reason() -> None:
    """A row has exactly the rules that name its code, or a reason."""
    for code, (rules, cell) in rows().items():
        assert rules == {rule.code for rule in ALL_RULES if code in rule.related_codes}, code
        assert rules or len(cell) > 20, code


def test_rules_name_known_codes() -> None:
    """No rule names a code that the tools don't have."""
    assert {code for rule in ALL_RULES for code in rule.related_codes} <= rows().keys()
