"""Every rule is verified on a real mesh by a test of that tier, or listed with the reason why it is not."""

import importlib

from tests.mesh.harness.run.coverage import COVERED, NOT_COVERED
from tests.support.paths import ROOT


def test_every_rule_is_shown() -> None:
    """Only codes that have a page."""
    for module in sorted((ROOT / "tests" / "mesh" / "rules").glob("test_*.py")):
        importlib.import_module(f"tests.mesh.rules.{module.stem}")
    codes = {page.stem for page in (ROOT / "docs" / "lint").glob("EGR*.md")}
    assert codes - COVERED == NOT_COVERED.keys()
    assert codes >= COVERED
    assert all(len(reason) > 30 for reason in NOT_COVERED.values())
