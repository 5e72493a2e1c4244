"""The version is declared in one place, and its copies can't differ unnoticed."""

import shutil
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tools.version import PACKAGES, WORKSPACE, main, version_of

PROJECTS = (WORKSPACE, *PACKAGES)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of everything that has the version."""
    for name in (*PROJECTS, "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_difference_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A package with another version fails the check, with the fix."""
    assert main(["--check"], copy) == 0
    sdk = copy / "sdk" / "pyproject.toml"
    sdk.write_text(sdk.read_text().replace(f'version = "{version_of(sdk)}"', 'version = "9.9.9"'))
    assert main(["--check"], copy) == 1
    assert "sdk/pyproject.toml has version 9.9.9" in capsys.readouterr().out


def test_setting_it(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Setting a version reaches all projects, and nothing else in them; the changelog gets one section for it."""
    before = {name: (copy / name).read_text() for name in PROJECTS}
    old = version_of(copy / WORKSPACE)
    for _ in range(2):
        assert main(["8.1.0rc1"], copy) == 0
    assert main(["--check"], copy) == 0
    assert main([], copy) == 0
    assert capsys.readouterr().out == "8.1.0rc1\n"
    for name in PROJECTS:
        assert (copy / name).read_text() == before[name].replace(f'version = "{old}"', 'version = "8.1.0rc1"')
    changelog = (copy / "CHANGELOG.md").read_text()
    assert changelog.count("## [8.1.0rc1] - 20") == 1
    assert changelog.index("## [Unreleased]") < changelog.index("## [8.1.0rc1]") < changelog.index("### Added")


@pytest.mark.parametrize("arguments", [["1.2"], ["v1.2.3"], ["1.2.3", "1.2.4"]])
def test_a_wrong_argument(arguments: list[str], copy: Path) -> None:
    """Nothing is written."""
    before = (copy / WORKSPACE).read_text()
    assert main(arguments, copy) == 2
    assert (copy / WORKSPACE).read_text() == before
