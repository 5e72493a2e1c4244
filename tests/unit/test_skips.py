"""A skipped test must not pass for a green one in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

CONFTEST = ROOT / "tests" / "conftest.py"
BY_ITSELF = "import pytest\ndef test_it():\n    pytest.skip('no redis-server')\n"
BY_MARK = "import pytest\n@pytest.mark.skip(reason='no redis-server')\ndef test_it(): pass\n"
WHOLE_MODULE = "import pytest\npytest.skip('no redis-server', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n"


def run(folder: Path, test: str, ci: str) -> subprocess.CompletedProcess[str]:
    """Runs one test module under our conftest, with the variable CI as given; not as a part of this run."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "SLIPCOVER_"))}
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "test_it.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder],
        cwd=folder,
        env=inherited | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("test", [BY_ITSELF, BY_MARK, WHOLE_MODULE])
def test_a_skip_fails_in_ci(tmp_path: Path, test: str) -> None:
    """With CI=true a skip is a failure that gives the reason of the skip."""
    verdict = run(tmp_path, test, ci="true")
    assert verdict.returncode not in (0, 5)
    assert "SKIPPED IN CI" in verdict.stdout
    assert "no redis-server" in verdict.stdout


def test_a_skip_is_fine_elsewhere(tmp_path: Path) -> None:
    """On a laptop a test that can't run is skipped."""
    assert "1 skipped" in run(tmp_path, BY_ITSELF, ci="").stdout


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    """A test marked as failing is not a skip, though pytest reports it in the same words."""
    assert "1 xfailed" in run(tmp_path, EXPECTED_FAILURE, ci="true").stdout
