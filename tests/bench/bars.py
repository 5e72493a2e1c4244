"""The bars: what is compared with what, and the ratio it must reach."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.rounds import Samples, ratio
from tests.bench.stalls import ENTRIES, Stalls

P1_THROUGHPUT = 0.60
P1_P99 = 2.0
P1_SCRIPTS = 1.01
"""One script per write; 1 % more, since a write may run into the start of another one and run again."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar and the measured ratio. `figures` go into the result as they are."""

    name: str
    what: str
    figures: Mapping[str, object]
    holds: bool
    verdict: str


P16_STALL_SECONDS = 0.05
P16_READS = 2.0


def p1(samples: Samples, commands: Mapping[str, float]) -> Bar:
    """A durable write with all features enabled, against B1: throughput, p99 and Redis commands must all pass."""
    throughput = ratio(samples, "P1", "B1", lambda load: load.calls_per_second)
    p99 = ratio(samples, "P1", "B1", lambda load: load.p99_ms)
    scripts = commands.get("EVALSHA", 0.0)
    parts = {
        f"throughput {throughput.median:.2f} of B1's, at least {P1_THROUGHPUT:.2f}": throughput.median >= P1_THROUGHPUT,
        f"p99 {p99.median:.2f}x B1's, at most {P1_P99:.1f}x": p99.median <= P1_P99,
        f"{scripts:.2f} Redis scripts a write, at most {P1_SCRIPTS:.2f}": scripts <= P1_SCRIPTS,
    }
    figures = {
        "figure": round(throughput.median, 3),
        "bar": P1_THROUGHPUT,
        "holds": all(parts.values()),
        "unit": "throughput of a durable write, as a ratio to B1 (median of rounds)",
        "rounds": len(throughput.by_round),
        "worst": round(min(throughput.by_round), 3),
        "by_round": [round(figure, 3) for figure in throughput.by_round],
        "p99_ratio": round(p99.median, 3),
        "p99_bar": P1_P99,
        "p99_worst": round(max(p99.by_round), 3),
        "redis_commands_per_write": {name: round(count, 3) for name, count in commands.items()},
        "redis_scripts_bar": P1_SCRIPTS,
    }
    verdict = "; ".join(text if holds else f"MISSED: {text}" for text, holds in parts.items())
    return Bar("P1", "durable write, everything on", figures, all(parts.values()), verdict)


def p16(stalls: Stalls) -> Bar:
    """The event loop while callers send the worst that is accepted: no long step, and small reads hardly slower."""
    long = stalls.longer_than(P16_STALL_SECONDS)
    reads = stalls.loaded_p99 / stalls.quiet_p99
    parts = {
        f"{long} steps over {P16_STALL_SECONDS * 1000:.0f} ms, none over {stalls.bound * 1000:.0f} ms": not long,
        f"p99 of small reads {reads:.1f}x, at most {P16_READS:.0f}x": reads <= P16_READS,
    }
    figures = {
        "figure": stalls.bound,
        "bar": P16_STALL_SECONDS,
        "holds": all(parts.values()),
        "unit": "seconds that no step of the event loop exceeded, an upper bound from egress_loop_stall_seconds",
        "steps_over_bar": long,
        "steps_by_bound": {str(bound): number for bound, number in stalls.late.items() if number},
        "small_reads_p99_ratio": round(reads, 2),
        "small_reads_p99_bar": P16_READS,
        "small_reads_p99_ms": round(stalls.loaded_p99, 2),
        "small_reads_worst_ms": round(stalls.loaded_worst, 2),
        "calls": dict(stalls.calls),
        "entries": ENTRIES,
    }
    verdict = "; ".join(text if holds else f"MISSED: {text}" for text, holds in parts.items())
    return Bar("P16", "event loop under large requests", figures, all(parts.values()), verdict)
