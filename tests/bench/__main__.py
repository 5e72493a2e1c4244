"""python -m tests.bench [--only P1] [--rounds N]: measure, show, and write bench/results/latest.json.

The exit code says whether it could measure, not whether a bar holds: on a busy machine a ratio may be missed that
holds on a quiet one.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.bench import bars, report
from tests.bench.commands import commands_a_write
from tests.bench.load import CALLERS, MEASURED_SECONDS, WARM_UP_SECONDS
from tests.bench.machine import describe, load_average
from tests.bench.rounds import Samples, measure, sample_of
from tests.bench.servers import baselines, egressd
from tests.bench.stalls import ENTRIES, measure_stalls
from tests.support.paths import ROOT

RESULTS = ROOT / "bench" / "results" / "latest.json"
LEAST_ROUNDS = 5
_DISK = "/var/tmp"
"""Not /tmp, which may be memory: flushing would cost nothing there."""


def _rounds(text: str) -> int:
    if (rounds := int(text)) < LEAST_ROUNDS:
        raise argparse.ArgumentTypeError(f"at least {LEAST_ROUNDS}, or the median means little")
    return rounds


def main() -> int:
    """Runs the chosen bars."""
    parser = argparse.ArgumentParser("python -m tests.bench", description="Measure speed against bare servers.")
    parser.add_argument("--only", choices=["P1", "P16"], help="measure this bar alone")
    parser.add_argument("--rounds", type=_rounds, default=7, help="of P1: each measures every server once")
    arguments = parser.parse_args()
    console = Console()
    context = {**describe(), "load_average_before": load_average()}
    samples: Samples = {}
    reached: list[bars.Bar] = []
    with tempfile.TemporaryDirectory(prefix="egress-bench-", dir=_DISK) as folder:
        if arguments.only in (None, "P1"):
            samples, bar, method = _run_p1(console, Path(folder), arguments.rounds)
            reached.append(bar)
            context["method"] = method
        if arguments.only in (None, "P16"):
            reached.append(_run_p16(console, Path(folder)))
    context["load_average_after"] = load_average()
    report.show(console, samples, reached)
    report.write(RESULTS, samples, reached, context)
    console.print(f"Written to {RESULTS.relative_to(ROOT)}", highlight=False)
    return 0


def _run_p1(console: Console, folder: Path, rounds: int) -> tuple[Samples, bars.Bar, dict[str, object]]:
    data_dir = folder / "p1"
    with egressd(data_dir) as product:
        console.print("Counting Redis commands, and taking the size of a reply …")
        warm_up = sample_of(product, rounds)
        commands = commands_a_write(data_dir, lambda: sample_of(product, rounds + 1))
        with baselines(folder, warm_up.load.reply_bytes) as bare:
            samples = measure({**bare, "P1": product}, rounds, console.print)
    method: dict[str, object] = {
        "callers": CALLERS,
        "warm_up_seconds": WARM_UP_SECONDS,
        "measured_seconds": MEASURED_SECONDS,
        "request_bytes": warm_up.load.request_bytes,
        "reply_bytes": warm_up.load.reply_bytes,
    }
    return samples, bars.p1(samples, commands), method


def _run_p16(console: Console, folder: Path) -> bars.Bar:
    with egressd(folder / "p16") as product:
        console.print(f"Writing {ENTRIES} entries, then sending large requests along with small reads …")
        return bars.p16(measure_stalls(product))


if __name__ == "__main__":
    sys.exit(main())
