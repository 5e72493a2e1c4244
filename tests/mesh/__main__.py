"""Runs the real-mesh tier: prepares the machine, compiles what is missing, then hands over to pytest.

    python -m tests.mesh [what pytest takes]

If the machine cannot run a mesh, it prints the reason and fails only in CI, as skipped tests do.
"""

import os
import sys
from pathlib import Path

import pytest

from tests.mesh.harness.cluster import machine
from tests.mesh.harness.cluster.binaries import find_or_build, print_progress


def main(arguments: list[str]) -> int:
    """The exit code of pytest."""
    if missing := machine.prepare(print_progress):
        print(machine.boxed(missing))
        return 1 if os.environ.get("CI") == "true" else 0
    find_or_build(print_progress)
    return pytest.main([str(Path(__file__).parent), "-p", "no:xdist", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
