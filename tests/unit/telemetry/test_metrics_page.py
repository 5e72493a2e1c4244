"""The page about metrics against the metrics."""

import re

from egress_server.telemetry.metrics import REGISTRY
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([\w, ]*)\| (.+) \|$", re.MULTILINE)


def test_the_page_lists_what_there_is() -> None:
    """Each metric with its type and help text, and nothing else."""
    written = {name: (kind, text) for name, kind, _, text in ROW.findall(PAGE.read_text())}
    served = {
        metric.name + ("_total" if metric.type == "counter" else ""): (metric.type, metric.documentation)
        for metric in REGISTRY.collect()
    }
    assert written == served


def test_the_page_names_the_labels() -> None:
    """As they are in the code."""
    written = {
        name.removesuffix("_total"): tuple(filter(None, map(str.strip, labels.split(","))))
        for name, _, labels, _ in ROW.findall(PAGE.read_text())
    }
    collectors = {names[0]: collector for collector, names in REGISTRY._collector_to_names.items()}
    assert written == {name: tuple(collector._labelnames) for name, collector in collectors.items()}  # type: ignore[attr-defined]
