"""The generated reference says something about everything that there is, and nothing about what is not."""

import re
from pathlib import Path

import pytest

from egress_server.telemetry.metrics import REGISTRY
from egress_server.wire.table import contract_services
from tests.integration.docs.blocks import pages
from tests.support.paths import ROOT
from tools.reference.api import rpcs_page
from tools.reference.reason_scan import SOURCE, Found, Kind, find_reasons
from tools.reference.reasons import DESCRIBED
from tools.reference.server import metrics_page


@pytest.mark.parametrize("kind", Kind)
def test_every_reason_is_described(kind: Kind) -> None:
    """A new reason needs a sentence, and a reason that no longer exists must go."""
    assert {found.reason for found in find_reasons() if found.kind is kind} == DESCRIBED[kind].keys()


def test_reasons_are_found(tmp_path: Path) -> None:
    """In classes of errors, in keywords, in arguments and in constants, with the code of the error."""
    (tmp_path / "planted.py").write_text(
        "class Gone(EgressError):\n    code = Code.NOT_FOUND\n    reason = 'GONE'\n"
        "HELD_BACK = 'HELD_BACK'\n_PRIVATE = 'LATE'\nOTHER = 'VALUE'\n"
        "raise Gone('text', reason='LONG_GONE')\n"
        "raise TransientError('BUSY', 'text', 1.0)\n"
        "raise PermanentError(_PRIVATE if late else 'EARLY', 'text')\n"
        "raise TranscodingError('text', 'NOT_JSON', {})\n"
        "yield _inconclusive('UNCLEAR', 'text')\n"
    )
    assert find_reasons(tmp_path) == {
        Found("GONE", Kind.ERROR, "NOT_FOUND"),
        Found("LONG_GONE", Kind.ERROR, "NOT_FOUND"),
        Found("NOT_JSON", Kind.ERROR, "INVALID_ARGUMENT"),
        Found("HELD_BACK", Kind.STATUS),
        Found("BUSY", Kind.STATUS),
        Found("LATE", Kind.STATUS),
        Found("EARLY", Kind.STATUS),
        Found("UNCLEAR", Kind.PROBE),
    }


def test_every_rpc_and_metric_has_its_entry() -> None:
    """Nothing is missing where it would be looked up."""
    described = rpcs_page()
    rpcs = [rpc.name for service in contract_services() for rpc in service.methods]
    assert [name for name in rpcs if f"### {name}\n" not in described] == []
    assert [each.name for each in REGISTRY.collect() if f"`{each.name}" not in metrics_page()] == []


def test_pages_name_metrics_that_exist() -> None:
    """Prose about a metric that was renamed is found."""
    served = {each.name + ("_total" if each.type == "counter" else "") for each in REGISTRY.collect()}
    text = "\n".join((ROOT / page).read_text() for page in pages())
    assert set(re.findall(r"`(egress_[a-z_]+)", text)) <= served | {"egress_server"}


def test_the_architecture_page_names_paths_that_exist() -> None:
    """A file or package that moved is found."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    paths = re.findall(r"`([a-z_]+/[a-z_0-9/.]*)`", text)
    assert len(paths) > 30
    assert [path for path in paths if not any((base / path).exists() for base in (ROOT, SOURCE))] == []
