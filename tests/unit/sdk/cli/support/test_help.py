"""Help, version and completion."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from egress import OutboundPolicy, ServiceEntry, __version__
from egress.cli.app import app
from tests.unit.sdk.cli.conftest import Run

ROOT: Any = typer.main.get_command(app)


def leaves(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The names of every command."""
    if not hasattr(command, "commands"):
        yield words
    for name, each in getattr(command, "commands", {}).items():
        yield from leaves(each, *words, name)


def groups(command: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """The names of the program itself and of every group of commands."""
    if hasattr(command, "commands"):
        yield words
        for name, each in command.commands.items():
            yield from groups(each, *words, name)


LEAVES = list(leaves(ROOT))
GROUPS = list(groups(ROOT))
OPTION = re.compile(r"^  (?:-\w, |    )--[a-z-]+(?: \S+)?(?P<text>   +\S.*)?$")


def test_the_walk_finds_the_commands() -> None:
    """The tests below cover every command."""
    assert len(LEAVES) > 35
    assert {("outbound", "set"), ("cluster", "accept-store-reset"), ("probe",)} <= set(LEAVES)
    assert {(), ("cluster",)} <= set(GROUPS)


@pytest.mark.parametrize("words", [*LEAVES, *GROUPS], ids=" ".join)
def test_help_has_no_python_types(run: Run, words: tuple[str, ...]) -> None:
    """Types are words such as string, and choices: no Python type in angle brackets, and no bool takes a value."""
    done = run(*words, "--help")
    assert done.code == 0
    assert not re.search(r"<[A-Za-z]|list\[|str\b|bool|FileText|\[default|Literal|None\b", done.out), done.out
    assert max(map(len, done.out.splitlines())) < 140


@pytest.mark.parametrize("words", [*LEAVES, *GROUPS], ids=" ".join)
def test_every_option_has_help(run: Run, words: tuple[str, ...]) -> None:
    """Each option and argument has a help text, on its line or on the next one."""
    lines = run(*words, "--help").out.splitlines()
    options = [number for number, line in enumerate(lines) if re.match(" {2,6}-", line)]
    assert options
    for number in options:
        found = OPTION.match(lines[number])
        assert found, lines[number]
        assert found["text"] or lines[number + 1].startswith(" " * 20), lines[number]
    command = ROOT
    for word in words:
        command = command.commands[word]
    assert all(parameter.help for parameter in command.params)


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_examples(run: Run, words: tuple[str, ...]) -> None:
    """Each command's help has commands to copy, which include its own name, and are not broken."""
    out = run(*words, "--help").out
    _, _, rest = out.partition("\nExamples:\n")
    examples = rest.partition("\n\n")[0].splitlines()
    assert examples
    assert all(f"egressctl {' '.join(words)}" in example for example in examples)


def test_usage_shows_arguments_options_choices_and_defaults(run: Run) -> None:
    """An argument is in capitals, an optional one in brackets; an option shows its type or its choices, and notes."""
    upsert = run("entry", "upsert", "--help").out
    assert "\n  egressctl entry upsert [NAME] [options]\n" in upsert
    assert f"--resolution {'|'.join(ServiceEntry.Resolution.keys()[1:])}" in upsert
    assert "--host strings " in upsert
    assert "DNS name, or *.suffix (repeatable)" in upsert
    assert "-f, --file file " in upsert
    assert "--retries int " in upsert
    assert re.search(r"--timeout duration +Limit of --wait \(default: 60s\)", upsert)
    assert re.search(r"--dry-run +Change nothing", upsert)
    outbound = run("outbound", "set", "--help").out
    assert "\n  egressctl outbound set MODE [options]\n" in outbound
    assert " or ".join(OutboundPolicy.Mode.keys()[1:]) in outbound
    restart = run("cluster", "restart", "--help").out
    assert "egressctl cluster restart CLUSTER [KIND/NAMESPACE/NAME...] [options]" in restart
    assert "(required)" in run("cluster", "register", "--help").out


def test_groups_list_their_commands(run: Run) -> None:
    """A group lists each command with one sentence; the program lists the exit status too."""
    assert re.search(r"\n  resync +Trigger a full resync of a cluster\n", run("cluster", "--help").out)
    assert "\nExit status:\n  0   success\n" in run("--help").out


def test_usage_errors(run: Run) -> None:
    """A usage error shows the usage and where to find help."""
    done = run("outbound", "set")
    assert done.code == 2
    assert "Usage: egressctl outbound set MODE [options]" in done.err
    assert "Missing argument 'MODE'" in done.err


def test_version(run: Run) -> None:
    """--version prints the version alone."""
    assert run("--version").out == f"egressctl {__version__}\n"


def test_completion(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell can have its completion script."""
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = run("--show-completion", "bash")
    assert done.code == 0
    assert "complete" in done.out
