"""The commit hooks are the checks of `make check`, and need nothing from the network."""

from typing import Any

import pytest
import yaml

from tests.support.paths import ROOT

HOOKS = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repository["hooks"]
]


def recipe() -> str:
    """The commands of `make check`."""
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    return makefile.partition("\ncheck: ")[2].partition("\n\n")[0]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_is_a_check(hook: dict[str, Any]) -> None:
    """A hook runs a command of `make check`, or all of it, from the local environment."""
    assert hook["language"] == "system"
    assert hook["entry"] == "make check" or f"{hook['entry']} " in recipe().replace("\n", " ")
