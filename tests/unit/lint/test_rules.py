"""Every rule is found, and has its own code, a page and texts; and every code of other tools is accounted for."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

import egress_server.domain.lint as lint_package
from egress_server.domain.lint.engine import ALL_RULES, CONNECTION_RULES, RULES
from egress_server.domain.lint.rule import BaseRule, Rule
from egress_server.domain.model.findings import Severity
from tests.mesh.harness.run.coverage import COVERED, NOT_COVERED
from tests.support.paths import ROOT

PAGES = ROOT / "docs" / "lint"
OTHER_TOOLS = PAGES / "other-tools.md"
KNOWN = ROOT / "tests" / "data" / "other_tools"
HEADINGS = ["## Rule", "## Why", "## Wrong", "## Right"]
each_rule = pytest.mark.parametrize("rule", ALL_RULES, ids=[rule.code for rule in ALL_RULES])


def test_codes() -> None:
    """Rules are in the order of their codes, and no two share one."""
    codes = [rule.code for rule in ALL_RULES]
    assert codes == sorted(set(codes))


def test_every_file_has_one_rule() -> None:
    """Each file in a group of rules has exactly one, and every rule is of one of the two kinds."""
    files = {
        f"{path.parent.name}.{path.stem}"
        for path in Path(lint_package.__file__).parent.glob("*/*.py")
        if path.name != "__init__.py"
    }
    assert {".".join(type(rule).__module__.split(".")[-2:]) for rule in ALL_RULES} == files
    assert len(files) == len(ALL_RULES) == len(RULES) + len(CONNECTION_RULES)


@each_rule
def test_rule_is_described(rule: BaseRule) -> None:
    """Its docstring has the reason under its code; the title fits into a table; codes of other tools are
    well-formed."""
    why = inspect.getdoc(sys.modules[type(rule).__module__]) or ""
    assert why.startswith(f"{rule.code}: ")
    assert len(why) > 150
    assert 15 < len(rule.title) < 80
    assert re.fullmatch(r"EGR\d{4}", rule.code)
    assert all(re.fullmatch(r"IST\d{4}|KIA\d{4}", code) for code in rule.related_codes)


@each_rule
def test_only_errors_block(rule: BaseRule) -> None:
    """Only an ERROR can be suppressed, and only an ERROR declares what it reads. Connections are never blocked."""
    if not isinstance(rule, Rule):
        assert rule.severity is not Severity.ERROR
    elif rule.severity is not Severity.ERROR:
        assert type(rule).reads is Rule.reads
        assert type(rule).delete_reads is Rule.delete_reads
    if rule.severity is not Severity.ERROR:
        assert not rule.suppressible


@each_rule
def test_page(rule: BaseRule) -> None:
    """Its page gives the rule, why, wrong, right and how to suppress it, and agrees with the code."""
    page = (PAGES / f"{rule.code}.md").read_text()
    lines = page.splitlines()
    assert lines[0] == f"# {rule.code}: {rule.title}"
    suppressible = "suppressible" if rule.suppressible else "not suppressible"
    others = ", ".join(rule.related_codes) or "none"
    assert lines[2] == f"Severity: {rule.severity.value}, {suppressible}. Codes of other tools: {others}."
    headings = [line for line in lines if line.startswith("## ")]
    if isinstance(rule, Rule):
        assert headings == [*HEADINGS, "## Suppressing"]
        assert page.count("```yaml") == 2
    else:
        assert headings == HEADINGS
        assert lines[4] == "Reported by `explain` only, for one destination and one workload."
        assert "```console" in page
    assert (f"`{rule.code}` to `suppress_findings`" in page) == rule.suppressible


def test_table() -> None:
    """The index starts with a table of exactly these rules."""
    lines = (PAGES / "README.md").read_text().splitlines()
    table = lines[4 : lines.index("", 4)]
    assert lines[2] == "| code | severity | rule | codes of other tools |"
    assert table == [
        f"| [{rule.code}]({rule.code}.md) | {rule.severity.value} | {rule.title} | {', '.join(rule.related_codes)} |"
        for rule in ALL_RULES
    ]
    assert {path.stem for path in PAGES.glob("EGR*.md")} == {rule.code for rule in ALL_RULES}


def codes_of(path: Path) -> list[str]:
    """The codes in a list, whose first line names its source and version."""
    first, *lines = path.read_text().splitlines()
    assert re.search(r"^# Codes of .+ [0-9a-f]{12}\b|\([0-9a-f]{12}\)", first)
    return lines


def other_tools() -> dict[str, tuple[set[str], str]]:
    """By code: the rules, and what the last column says."""
    lines = [
        line.strip("| ").split(" | ")
        for line in OTHER_TOOLS.read_text().splitlines()
        if line.startswith(("| IST", "| KIA"))
    ]
    return {code: (set(re.findall(r"\[(EGR\d{4})\]\(\1\.md\)", cell)), cell) for code, _, cell in lines}


def test_each_code_has_a_row() -> None:
    """In the order of the lists, none twice and none without a list."""
    assert list(other_tools()) == codes_of(KNOWN / "istio.txt") + codes_of(KNOWN / "kiali.txt")
    assert len(re.findall(r"^\| (?:IST|KIA)", OTHER_TOOLS.read_text(), re.MULTILINE)) == len(other_tools())


def test_rules_or_a_reason() -> None:
    """A row has exactly the rules that name its code, or a reason."""
    for code, (rules, cell) in other_tools().items():
        assert rules == {rule.code for rule in ALL_RULES if code in rule.related_codes}, code
        assert rules or len(cell) > 20, code


def test_rules_name_known_codes_of() -> None:
    """No rule names a code that the tools don't have."""
    assert {code for rule in ALL_RULES for code in rule.related_codes} <= other_tools().keys()


def test_every_rule_is_shown() -> None:
    """Only codes that have a page."""
    for module in sorted((ROOT / "tests" / "mesh" / "rules").glob("test_*.py")):
        importlib.import_module(f"tests.mesh.rules.{module.stem}")
    codes = {page.stem for page in (ROOT / "docs" / "lint").glob("EGR*.md")}
    assert codes - COVERED == NOT_COVERED.keys()
    assert codes >= COVERED
    assert all(len(reason) > 30 for reason in NOT_COVERED.values())
