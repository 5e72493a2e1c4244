"""The order of measuring: every round has each server once, one after the other.

What else happens on the machine then meets all of them alike, and a ratio is always of two measurements that are
seconds apart. Each round begins with another server, so that none always runs after the same one.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.load import Load
from tests.bench.quiet import wait_for_quiet, watching_others
from tests.bench.servers import Running
from tests.support.paths import ROOT

_LOAD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One server in one round. `cpu_us` is the CPU time of the server's process for each call, in microseconds;
    `others` the share of all cores that went to processes outside the measurement."""

    load: Load
    cpu_us: float
    others: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two servers, round by round."""

    by_round: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is compared with the bar."""
        return statistics.median(self.by_round)


Samples = Mapping[str, Sequence[Sample]]


def measure(servers: Mapping[str, Running], rounds: int, said: Callable[[str], None]) -> Samples:
    """Samples of each server, one per round; `said` is called with a line about each.

    Raises RuntimeError if a call failed.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in servers}
    names = list(servers)
    for round_ in range(rounds):
        first = round_ % len(names)
        for name in (*names[first:], *names[:first]):
            sample = sample_of(servers[name], round_)
            samples[name].append(sample)
            said(
                f"round {round_ + 1}/{rounds}  {name}  {sample.load.calls_per_second:7.0f}/s"
                f"  others took {sample.others:.0%}"
            )
    return samples


def sample_of(server: Running, round_: int) -> Sample:
    """One measurement, by a fresh client process. Raises RuntimeError if a call failed."""
    wait_for_quiet()
    before = server.cpu_seconds()
    with watching_others(server.process) as others:
        client = subprocess.run(
            [sys.executable, "-m", "tests.bench.load", server.address, str(round_)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=_LOAD_SECONDS,
            check=False,
        )
    if client.returncode:
        raise RuntimeError(f"the client failed at {server.address}:\n{client.stderr}")
    load = Load(**json.loads(client.stdout))
    return Sample(load, (server.cpu_seconds() - before) * 1e6 / load.calls_in_all, others.share)


def ratio(samples: Samples, above: str, below: str, of: Callable[[Load], float]) -> Ratio:
    """`of` server `above` divided by that of server `below`."""
    pairs = zip(samples[above], samples[below], strict=True)
    return Ratio(tuple(of(a.load) / of(b.load) for a, b in pairs))
