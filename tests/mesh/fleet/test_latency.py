"""How long it takes from an accepted change to a changed answer in a workload, next to what istiod itself needs for a
direct write of the same object. Reported as a distribution; only the arrival of changes is asserted."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import quantiles

import pytest

from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.cluster.foreign_writer import ADDRESS, ENTRIES, foreign_entry, foreign_writes
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run
from tests.mesh.harness.workload import poll
from tests.mesh.harness.workload.workload import Workload

HOST = "latency.example.com"
REGISTERED, UNREGISTERED = 301, 502
QUIET_ROUNDS, BUSY_ROUNDS = 20, 1
SECONDS = 30


def until_answer(curl: Workload, status: int, change: Callable[[], object]) -> float:
    """Seconds from the end of `change`, which is when it is accepted, to the first answer with `status`."""
    command = ["ip", "netns", "exec", curl.netns, sys.executable, str(Path(poll.__file__)), f"http://{HOST}/"]
    with subprocess.Popen([*command, str(status), str(SECONDS)], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asking\n"
        change()
        accepted = time.monotonic()
        said = asking.stdout.read()
    assert asking.returncode == 0, said
    return float(said) - accepted


def rounds(count: int, egressd: Egressd, curl: Workload, api: Api) -> dict[str, list[float]]:
    """Alternates both ways of writing, each with its reversal."""
    client, ports = egressd.client, ["80:HTTP:http"]

    def upsert() -> object:
        return client.upsert_service_entry(
            "latency", hosts=[HOST], ports=ports, resolution="STATIC", endpoints=[ADDRESS]
        )

    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "by the API": (upsert, partial(client.delete_service_entry, "latency")),
        "straight to the API server": (
            partial(api.post, ENTRIES, foreign_entry("theirs", HOST)),
            partial(api.delete, f"{ENTRIES}/theirs"),
        ),
    }
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(count):
        for way, (there, back) in ways.items():
            found[way] += [until_answer(curl, REGISTERED, there), until_answer(curl, UNREGISTERED, back)]
    return found


def test_accepted_to_changed_answer(run: Run, mesh: Mesh, curl: Workload, capsys: pytest.CaptureFixture[str]) -> None:
    """Quiet, and while others write all the time, which keeps istiod waiting up to 10 s: both ways then."""
    with Egressd(run) as egressd, mesh.api() as api:
        egressd.register(mesh)
        egressd.client.set_outbound_policy("REGISTRY_ONLY").wait(until="applied")
        curl.until(lambda: curl.curl(f"http://{HOST}/"), lambda answer: answer.status == UNREGISTERED, "closed")
        tables = {"quiet": rounds(QUIET_ROUNDS, egressd, curl, api)}
        with foreign_writes(mesh):
            tables["others write all the time"] = rounds(BUSY_ROUNDS, egressd, curl, api)
    with capsys.disabled():
        print()
        for when, ways in tables.items():
            for way, seconds in ways.items():
                cuts = quantiles(seconds, n=100, method="inclusive")
                shown = ", ".join(f"p{p} {cuts[p - 1] * 1000:.0f} ms" for p in (50, 90, 99))
                print(f"accepted to changed answer, {when}, {way}: {shown} ({len(seconds)} changes)")
