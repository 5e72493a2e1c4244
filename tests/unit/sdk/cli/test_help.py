"""Help, version and completion."""

import pytest

from egress import __version__
from egress.cli.app import app
from tests.unit.sdk.cli.conftest import Run

COMMANDS = {
    "outbound": ["set", "get", "list", "delete"],
    "entry": ["upsert", "get", "list", "delete"],
    "fault": ["inject", "get", "list", "clear"],
    "intercept": ["set", "get", "list", "delete"],
    "mesh": ["get", "update"],
    "cluster": [
        *("register", "get", "list", "update", "deregister", "resync", "agents"),
        *("drift", "gaps", "stale", "adopt", "release", "approve", "accept-store-reset", "restart"),
    ],
    "changes": ["list", "show", "wait", "watch", "revert"],
    "config": ["get-contexts", "use-context", "set-context", "view"],
}
ALONE = ["probe", "explain", "registry", "doctor"]
LEAVES = [[group, name] for group, names in COMMANDS.items() for name in names] + [[name] for name in ALONE]


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_examples(run: Run, words: list[str]) -> None:
    """Each command's help ends with commands to copy that begin with its own name."""
    done = run(*words, "--help")
    assert done.code == 0
    _, _, examples = done.out.partition("Examples:")
    assert f"egressctl {' '.join(words)}" in examples


def test_the_tree_is_whole() -> None:
    """The commands are those that scripts rely on, and no more."""
    groups = [group.typer_instance for group in app.registered_groups if group.typer_instance]
    found = {group.info.name: [command.name for command in group.registered_commands] for group in groups}
    assert found == COMMANDS
    assert [command.name for command in app.registered_commands] == ALONE


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
