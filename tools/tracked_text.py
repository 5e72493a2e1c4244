"""Looks through the tracked files for what must not be published with them.

A package index's host would tie the lock to one network, an absolute path to one machine. Both
slip in through tools that write what they were called with.

    python tools/tracked_text.py    exit 1 and one line a find
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    "a package index": re.compile(rb"\b(pypi|pythonhosted|npmjs|debian)\.org\b|--(extra-)?index-url|--find-lin[k]s"),
    "a path of one machine": re.compile(rb"(?<![\w.*/}$])/(home|root|Users|work)/[\w.]|file:/{3}"),
    "a conflict marker": re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE),
}


def tracked() -> list[Path]:
    """The files that git knows, those just added included. Raises if this is not a checkout."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [Path(name) for name in listing.stdout.split("\0") if name]


def finds(path: Path) -> Iterator[str]:
    """One line for each forbidden text in the file. A file being deleted has none."""
    if not (ROOT / path).is_file():
        return
    content = (ROOT / path).read_bytes()
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(content):
            line = content.count(b"\n", 0, match.start()) + 1
            yield f"{path}:{line}: names {what}: {match.group().decode(errors='replace')}"


def main() -> int:
    """Exit code 0 when nothing is found."""
    found = [line for path in tracked() for line in finds(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
