"""Decision records follow the template, and the index lists each with its title."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))[1:]
STATUS = re.compile(
    r"Date: \d{4}-\d\d-\d\d(, amended \d{4}-\d\d-\d\d( \(.*\))?)?\. Status: (accepted|replaced by \d{4})\."
)
SECTIONS = ["Context", "Decision", "Consequences"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_record(record: Path) -> None:
    """It has a number and a title, a date and a status, and the template's sections."""
    title, status, *rest = record.read_text().split("\n\n")
    assert title.startswith(f"# {record.stem[:4]}: ")
    assert STATUS.fullmatch(" ".join(status.split()))
    assert [line[3:] for line in "\n".join(rest).split("\n") if line.startswith("## ")] == SECTIONS


def test_index() -> None:
    """The index in docs/README.md has exactly the records, in order, with their titles."""
    rows = re.findall(r"(?m)^\| \[(\d{4})\]\(adr/(\S+)\) \| (.*) \|$", (ROOT / "docs" / "README.md").read_text())
    titles = [record.read_text().partition("\n")[0].partition(": ")[2] for record in RECORDS]
    assert rows == [(record.stem[:4], record.name, title) for record, title in zip(RECORDS, titles, strict=True)]
