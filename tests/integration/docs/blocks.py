"""The code blocks of README.md and docs/, with the marker above each that says whether a test runs it.

A marker is an HTML comment on the line before the fence, which readers don't see:

    <!-- run -->                    runs against a real egressd and must exit with 0
    <!-- run: prints TEXT -->       and TEXT must be in what it prints
    <!-- not run: REASON -->        is only checked for options and commands that do not exist
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

EXECUTABLE = frozenset({"bash", "console", "python", "sh", "shell"})
_FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<marker>.*?) -->\n)?^(?P<indent>[ ]*)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_MARKER = re.compile(r"(?P<run>run)(?:: prints (?P<prints>.+))?|not run: (?P<reason>.+)")


class BadBlock(ValueError):
    """A block without a language, or an executable one without a valid marker."""


@dataclass(frozen=True, slots=True)
class Block:
    """An executable block; `prints` must be in its output (empty: anything may)."""

    page: str
    line: int
    language: str
    text: str
    runs: bool
    prints: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """All documentation, relative to the repository. Decision records are history: their code is not kept working."""
    found = (path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))
    return ["README.md", *sorted(str(path) for path in found if "adr" not in path.parts)]


def blocks_of(page: str) -> list[Block]:
    """The executable blocks of a page, in its order. Raises BadBlock."""
    return list(parse(page, (ROOT / Path(page)).read_text()))


def parse(page: str, text: str) -> Iterator[Block]:
    """The executable blocks of a page with this text, in its order. Raises BadBlock."""
    if len(re.findall(r"^[ ]*```", text, re.MULTILINE)) != 2 * len(list(_FENCE.finditer(text))):
        raise BadBlock(f"{page}: a code fence is not closed")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("indent")) + 1
        if not found["language"]:
            raise BadBlock(f"{page}:{line}: a code fence without a language; use ```text for diagrams")
        if found["language"] not in EXECUTABLE:
            continue
        marker = _MARKER.fullmatch(found["marker"] or "")
        if marker is None:
            raise BadBlock(f"{page}:{line}: write <!-- run --> or <!-- not run: REASON --> above this block")
        yield Block(page, line, found["language"], found["text"], bool(marker["run"]), marker["prints"] or "")
