"""A run as a human-readable table and as JSON."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.bars import Bar
from tests.bench.rounds import Sample, Samples

BUSY = 0.1
"""Share of the cores that other processes may use before the figures are unreliable."""
WHAT = {
    "B0": "bare grpc.aio echo",
    "B1": "B0 and one Redis script",
    "P1": "egressd, a durable write",
}


def figures_of(samples: Sequence[Sample]) -> dict[str, float]:
    """Medians over the rounds, and the worst round's throughput."""

    def median(of: Callable[[Sample], float]) -> float:
        return round(statistics.median(of(sample) for sample in samples), 2)

    return {
        "calls_per_second": median(lambda sample: sample.load.calls_per_second),
        "worst_calls_per_second": round(min(sample.load.calls_per_second for sample in samples), 2),
        "p50_ms": median(lambda sample: sample.load.p50_ms),
        "p99_ms": median(lambda sample: sample.load.p99_ms),
        "server_cpu_us_per_call": median(lambda sample: sample.cpu_us),
        "others_share_of_cores": median(lambda sample: sample.others),
    }


def write(path: Path, samples: Samples, bars: Sequence[Bar], context: Mapping[str, object]) -> None:
    """The result file."""
    result = {
        **context,
        "bars": {bar.name: bar.figures for bar in bars},
        "measured": {name: {"what": WHAT[name], **figures_of(taken)} for name, taken in samples.items()},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def show(console: Console, samples: Samples, bars: Sequence[Bar]) -> None:
    """The table, and below it each bar with its result."""
    table = Table(title="Medians over the rounds; CPU us: of the server's process for each call", title_justify="left")
    for heading in ("", "server", "calls/s", "worst", "p50 ms", "p99 ms", "CPU us", "others"):
        table.add_column(heading, justify="left" if heading in ("", "server") else "right")
    for name, taken in samples.items():
        throughput, worst, p50, p99, cpu, others = figures_of(taken).values()
        shown = (f"{throughput:.0f}", f"{worst:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{cpu:.0f}", f"{others:.0%}")
        table.add_row(name, WHAT[name], *shown)
    if samples:
        console.print(table)
    if any(figures_of(taken)["others_share_of_cores"] > BUSY for taken in samples.values()):
        console.print("[bold]The machine was busy: measure again when it is idle.[/]")
    for bar in bars:
        style, word = ("green", "holds") if bar.holds else ("bold white on red", "MISSED")
        console.print(f"[{style}] {bar.name} {word} [/] {bar.what}: {bar.verdict}")
