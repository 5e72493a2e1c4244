"""Every command in the documentation is either executed by a test, or at least exists as it is written."""

import re
import shlex
from collections.abc import Iterator

import pytest
from typer.core import TyperGroup

from tests.integration.docs.blocks import BadBlock, Block, blocks_of, pages, parse
from tools.reference.cli import PROGRAMS


def command_lines(block: Block) -> Iterator[list[str]]:
    """The words of each call of egressctl and egressd in a shell block."""
    if block.language == "python":
        return
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] in PROGRAMS:
            yield [words[0].rpartition("/")[2], *words[1:]]


def unknown_word(words: list[str]) -> str:
    """The first option or command of a call that does not exist; empty if all do. Values are not checked."""
    command, rest = PROGRAMS[words[0]], iter(words[1:])
    for word in rest:
        if word.startswith("--"):
            name, with_value, _ = word.partition("=")
            option = next((each for each in command.params if name in (*each.opts, *each.secondary_opts)), None)
            if option is None and name != "--help":
                return word
            if option is not None and not with_value and not getattr(option, "is_flag", False):
                next(rest, None)
        elif isinstance(command, TyperGroup):
            if word not in command.commands:
                return word
            command = command.commands[word]
    return ""


@pytest.mark.parametrize("page", pages())
def test_every_block_is_marked_and_its_commands_exist(page: str) -> None:
    """A block of commands is marked as run or with the reason why not, and names no unknown command or option."""
    for block in blocks_of(page):
        for words in command_lines(block):
            assert not unknown_word(words), f"{block}: {shlex.join(words)}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```console\nls\n```\n", "p.md:1: write"),
        ("text\n<!-- run it -->\n```console\nls\n```\n", "p.md:3: write"),
        ("<!-- not run: -->\n```python\nls\n```\n", "p.md:2: write"),
        ("```\na\n```\n", "p.md:1: a code fence without a language"),
        ("```text\na\n", "not closed"),
    ],
)
def test_an_unmarked_block_is_refused(text: str, error: str) -> None:
    """A new block can't be forgotten: without a marker, or with an unknown one, it is an error."""
    with pytest.raises(BadBlock, match=error):
        list(parse("p.md", text))


def test_markers_are_read() -> None:
    """A marker says whether a block runs and what it prints, also in a list; blocks of data need none."""
    text = (
        "<!-- run -->\n```console\na\n```\n"
        "- x\n  <!-- run: prints B C -->\n  ```python\n  b\n  ```\n"
        "<!-- not run: needs c -->\n```sh\nc\n```\n```yaml\nd: 1\n```\n"
    )
    assert [(block.line, block.language, block.runs, block.prints) for block in parse("p.md", text)] == [
        (2, "console", True, ""),
        (7, "python", True, "B C"),
        (11, "sh", False, ""),
    ]


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("egressctl cluster escapes c0", "escapes"),
        ("egressctl outbound set REGISTRY_ONLY --until verified", "--until"),
        (".venv/bin/egressctl rollback 3", "rollback"),
        ("EGRESS_SERVER=x egressctl --server y no-such-command", "no-such-command"),
        ("egressd run --directory-roots /x", "--directory-roots"),
        ("egressd run \\\n  --directory-roots=/x", "--directory-roots=/x"),
        ("egressctl cluster gaps c0 --help", ""),
    ],
)
def test_an_unknown_command_is_found(line: str, unknown: str) -> None:
    """A command or option that was renamed is an error where the documentation still has the old one."""
    block = next(parse("p.md", f"<!-- not run: planted -->\n```console\n{line}\n```\n"))
    assert [unknown_word(words) for words in command_lines(block)] == [unknown]
