"""The word list finds what it bans, wherever people read text, and lets plain English and code pass."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.word_list import Phrase, findings, main, phrases, tracked

PHRASES = phrases()
HITS = [(phrase, text) for phrase in PHRASES for text in phrase.hits]
PASSES = [(phrase, text) for phrase in PHRASES for text in phrase.passes]

# A text in each place where people read it, with the line it is on.
PLACES = {
    "docstring": ("a.py", 1, '"""{}."""\n'),
    "docstring of a function": ("a.py", 2, 'def f() -> None:\n    """{}."""\n'),
    "comment": ("a.py", 1, "x = 1  # {}\n"),
    "string": ("a.py", 2, "raise ValueError(\n    '{}'\n)\n"),
    "f-string": ("a.py", 2, "x = 1\nraise ValueError(f'{{x}} {} {{x}}')\n"),
    "string in an f-string": ("a.py", 1, "print(f'{{g(\"{}\")}}')\n"),
    "proto comment": ("a.proto", 2, 'syntax = "proto3";\nstring a = 1; // {}\n'),
    "Lua comment": ("a.lua", 1, "-- {}\n"),
    "shell comment": ("a.sh", 1, "true # {}\n"),
    "make help": ("Makefile", 1, "all: ## {}\n"),
    "paragraph": ("a.md", 3, "# Title\n\n{}.\n"),
    "list item": ("a.md", 2, "- one\n- {}\n"),
    "table row": ("a.md", 3, "| a |\n|---|\n| {} |\n"),
}
# A banned phrase; without a space it is a name, so that the word list does not find it here.
BANNED = "nobody"
# Texts that are not prose.
CODE = {
    "identifier": ("a.py", "{} = 1\n"),
    "name as a string": ("a.py", "x = '{}'\n"),
    "code in a docstring": ("a.py", '"""Calls `x({})`."""\n'),
    "fenced code": ("a.md", "```console\n{} asks\n```\n"),
    "fence of four": ("a.md", "````\n```\n{} asks\n```\n````\n"),
    "link target": ("a.md", "See [the page](x/{}.md).\n"),
    "proto field": ("a.proto", "string {} = 1;\n"),
    "unknown kind of file": ("a.bin", "{} asks\n"),
}


def of(name: str, content: str) -> Sequence[str]:
    """What the word list finds in a file."""
    return list(findings(Path(name), content, PHRASES))


@pytest.mark.parametrize(("phrase", "text"), HITS, ids=[text for _, text in HITS])
def test_it_finds_the_phrase(phrase: Phrase, text: str) -> None:
    """Each example of a phrase is found, with what to write instead."""
    found = list(findings(Path("a.md"), text, [phrase]))
    assert found
    assert phrase.use in found[0]


@pytest.mark.parametrize(("phrase", "text"), PASSES, ids=[text for _, text in PASSES])
def test_it_lets_plain_english_pass(phrase: Phrase, text: str) -> None:
    """What only looks like a banned phrase is not found."""
    assert not list(findings(Path("a.md"), text, [phrase]))


@pytest.mark.parametrize(("name", "line", "content"), PLACES.values(), ids=PLACES)
def test_it_reads_every_place(name: str, line: int, content: str) -> None:
    """A planted phrase is found by file and line, and the same place without it is clean."""
    found = of(name, content.format(f"and {BANNED} listens"))
    assert [entry.split(" ")[0] for entry in found] == [f"{name}:{line}:"]
    assert not of(name, content.format("and a server listens"))


@pytest.mark.parametrize(("name", "content"), CODE.values(), ids=CODE)
def test_it_ignores_code(name: str, content: str) -> None:
    """Names and code are not prose."""
    assert not of(name, content.format(BANNED))


def test_it_reads_across_line_breaks() -> None:
    """A phrase that is wrapped over two lines is found on the second one."""
    found = of("a.py", "x = 1\n# The log of the server says\n# {}, too.\n".format("so"))
    assert [entry.split(": write")[0] for entry in found] == [f"a.py:3: {'says ' + 'so'!r}"]


@pytest.mark.parametrize(
    ("content", "excused"),
    [
        ("x = '{} is there'  # wording: a message of Envoy\n", True),
        ("# wording: a message of Envoy\nx = '{} is there'\n", True),
        ("# wording:\nx = '{} is there'\n", False),
        ("# wording: a message of Envoy\n\nx = '{} is there'\n", False),
    ],
)
def test_a_quotation_is_excused_with_a_reason(content: str, excused: bool) -> None:
    """The escape needs a reason, and is good for its line and the next one."""
    assert bool(of("a.py", content.format(BANNED))) is not excused


def test_it_takes_paths() -> None:
    """Only tracked files below the paths are read; generated and foreign ones never."""
    assert set(tracked(["tools"])) < set(tracked([]))
    assert all(path.parts[0] == "tools" for path in tracked(["tools"]))
    assert not tracked(["sdk/src/egress/v1", "proto/third_party"])


def test_the_exit_code_reports_findings(tmp_path: Path) -> None:
    """`make check` stops on a finding, and only then."""
    (tmp_path / "a.md").write_text("Read by all.\n")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert main([], root=tmp_path) == 0
    (tmp_path / "a.md").write_text(f"Read by {BANNED}.\n")
    assert main([], root=tmp_path) == 1
