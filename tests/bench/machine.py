"""The machine and versions of a run: a figure means little without them."""

import asyncio
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version

from egress_server.store.embedded.binaries import choose_server, installed_servers
from tests.support.paths import ROOT


def describe() -> dict[str, object]:
    """Date, commit, versions and cores."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed_since_commit": bool(_git("status", "--porcelain", "--", "server", "sdk", "tests/bench")),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("grpcio", "protobuf", "uvloop", "hiredis")},
            "store": str(asyncio.run(choose_server(installed_servers())).release),
            "kernel": platform.release(),
        },
    }


def load_average() -> list[float]:
    """Of the last 1, 5 and 15 minutes."""
    return [round(figure, 2) for figure in os.getloadavg()]


def _git(*arguments: str) -> str:
    """The output of git; empty in a copy that is not a checkout."""
    try:
        said = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return said.stdout.strip()
