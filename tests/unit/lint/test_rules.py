"""Every rule is registered, has a code of its own, a page, and texts."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import egress_server.domain.lint as lint_package
from egress_server.domain.explain import caveats, explain
from egress_server.domain.lint.engine import RULES, Rule
from egress_server.domain.model.findings import Severity
from tests.support.paths import ROOT

PAGES = ROOT / "docs" / "lint"
HEADINGS = ["## Rule", "## Why", "## Wrong", "## Right", "## Forcing"]
each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])


def test_codes() -> None:
    """Rules stand in the order of their codes, and no two share one."""
    codes = [rule.code for rule in RULES]
    assert codes == sorted(set(codes))


def test_all_rules_are_registered() -> None:
    """Each file that speaks of a code has one rule, and the list has it."""
    files = {
        f"{path.parent.name}.{path.stem}"
        for path in Path(lint_package.__file__).parent.rglob("*.py")
        if path.read_text().startswith('"""EGR')
    }
    assert {".".join(type(rule).__module__.split(".")[-2:]) for rule in RULES} == files
    assert len(files) == len(RULES)


@each_rule
def test_rule_is_described(rule: Rule[Any]) -> None:
    """Its file says why it exists, under its code; the title fits into a table; other tools' codes look like such."""
    why = inspect.getdoc(sys.modules[type(rule).__module__]) or ""
    assert why.startswith(f"{rule.code}: ")
    assert len(why) > 150
    assert 15 < len(rule.title) < 80
    assert re.fullmatch(r"EGR\d{4}", rule.code)
    assert all(re.fullmatch(r"IST\d{4}|KIA\d{4}", code) for code in rule.related_codes)


@each_rule
def test_only_errors_block(rule: Rule[Any]) -> None:
    """Only an ERROR can be forced, and only an ERROR says what it has read."""
    if rule.severity is not Severity.ERROR:
        assert not rule.forceable
        assert type(rule).reads is Rule.reads
        assert type(rule).check_delete is Rule.check_delete


@each_rule
def test_page(rule: Rule[Any]) -> None:
    """Its page says the rule, why, wrong, right and how to force it, and agrees with the code."""
    page = (PAGES / f"{rule.code}.md").read_text()
    lines = page.splitlines()
    assert lines[0] == f"# {rule.code}: {rule.title}"
    force = "forceable" if rule.forceable else "not forceable"
    assert lines[2] == f"{rule.severity.value}, {force}. Elsewhere: {', '.join(rule.related_codes) or 'none'}."
    assert [line for line in lines if line.startswith("## ")] == HEADINGS
    assert page.count("```yaml") == 2
    assert (f"`{rule.code}` into `suppress_findings`" in page) == rule.forceable


def test_table() -> None:
    """The index opens with a table of exactly these rules."""
    lines = (PAGES / "README.md").read_text().splitlines()
    table = lines[4 : lines.index("", 4)]
    assert lines[2] == "| code | severity | rule | IST/KIA |"
    assert table == [
        f"| [{rule.code}]({rule.code}.md) | {rule.severity.value} | {rule.title} | {', '.join(rule.related_codes)} |"
        for rule in RULES
    ]
    explained = {explain.FAULT_UNSEEN, explain.ENTRY_UNSEEN, explain.PORT_TAKEN}
    explained |= {caveats.PARTLY_KNOWN, caveats.ROUTED_BY_OTHERS, caveats.NOT_HELD, caveats.PODS_BYPASS_POLICY}
    assert {path.stem for path in PAGES.glob("EGR*.md")} == {rule.code for rule in RULES} | explained
