"""The documentation site builds, has no broken link, and loads nothing from another host."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

_LOADS = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^\s>]+"
    r"|<link[^>]*\srel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]*href=[\"']?(?:https?:)?//[^\s>]+"
    r"|(?:@import|url\()\s*[\"']?(?:https?:)?//[^\s)]+"
)


def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Strict: a link or anchor that leads nowhere, or a page that is not in the navigation, fails the build."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    variables = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    found = [
        f"{path.relative_to(tmp_path)}: {load}"
        for path in (tmp_path / "site").rglob("*")
        if path.suffix in (".html", ".css")
        for load in _LOADS.findall(path.read_text())
    ]
    assert found == []
    assert (tmp_path / "site" / "reference" / "rpcs.html").is_file()
