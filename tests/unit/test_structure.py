"""The size and naming rules of CONTRIBUTING hold: small folders, files of a readable size, one meaning per class name.

Each rule is a function over (path, source), so that each is also shown to find a planted violation.
"""

import ast
import re
import statistics
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import pytest

from tests.support.paths import ROOT

MOST_FILES = 15  # per folder, besides __init__.py
MOST_LINES = 400
MEDIAN_LINES = (100, 150)
PACKAGES = ("server/src/egress_server/", "sdk/src/egress/")
# One rule is one file there, however short.
LINT_RULES = "server/src/egress_server/domain/lint/"
# The client's errors have the names of the server's errors that they report.
ERRORS = "server/src/egress_server/domain/model/errors.py"

Sources = dict[str, str]


def written_files() -> Sources:
    """The tracked Python files that are not generated."""
    listing = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [path for path in listing.splitlines() if (ROOT / path).is_file()]
    return {path: source for path in paths if not is_generated(source := (ROOT / path).read_text())}


def is_generated(source: str) -> bool:
    """Whether a generator signed the file in its first lines."""
    return bool(_SIGNATURE.search("\n".join(source.splitlines()[:5])))


_SIGNATURE = re.compile(r"Generated (by|from) .*(do not edit|never edited)", re.IGNORECASE | re.DOTALL)


def folders_too_full(files: Sources) -> Sequence[str]:
    """Folders with too many files."""
    paths = (PurePath(path) for path in files)
    counts = Counter(path.parent for path in paths if path.name != "__init__.py")
    return [f"{folder} has {count} files" for folder, count in counts.items() if count > MOST_FILES]


def files_too_long(files: Sources) -> Sequence[str]:
    """Files with too many lines."""
    lengths = {path: len(source.splitlines()) for path, source in files.items()}
    return [f"{path} has {length} lines" for path, length in lengths.items() if length > MOST_LINES]


def median_length(files: Sources) -> float:
    """The median of lines per file of the packages, lint rules and __init__.py aside."""
    return statistics.median(
        len(source.splitlines())
        for path, source in files.items()
        if path.startswith(PACKAGES) and not path.startswith(LINT_RULES) and not path.endswith("__init__.py")
    )


def repeated_class_names(files: Sources) -> Sequence[str]:
    """Class names that are defined more than once in the packages."""
    places = defaultdict[str, list[str]](list)
    for path, source in files.items():
        if path.startswith(PACKAGES):
            for name in class_names(source):
                places[name].append(path)
    errors = set(class_names(files[ERRORS]))
    return [
        f"{name} is defined in {' and '.join(paths)}"
        for name, paths in places.items()
        if len(paths) > 1 and not (name in errors and Counter(map(package_of, paths)) == dict.fromkeys(PACKAGES, 1))
    ]


def package_of(path: str) -> str:
    """The package that a file belongs to."""
    return next(package for package in PACKAGES if path.startswith(package))


def class_names(source: str) -> Iterator[str]:
    """The names of all classes in a file."""
    return (node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef))


@pytest.fixture(scope="module")
def files() -> Sources:
    """The repository as it is."""
    return written_files()


def test_folders(files: Sources) -> None:
    """No folder has more files than a reader can take in."""
    assert not folders_too_full(files)


def test_lengths(files: Sources) -> None:
    """No file is too long."""
    assert not files_too_long(files)


def test_median(files: Sources) -> None:
    """Files are neither fragments nor volumes."""
    assert MEDIAN_LINES[0] <= median_length(files) <= MEDIAN_LINES[1]


def test_class_names(files: Sources) -> None:
    """A class name has one meaning in server and SDK."""
    assert not repeated_class_names(files)


def test_planted_violations() -> None:
    """Each rule finds its violation, and nothing else."""
    package = PACKAGES[0]
    full = {f"{package}a/{number}.py": "" for number in range(MOST_FILES + 1)} | {f"{package}b/__init__.py": ""}
    assert folders_too_full(full) == [f"{package}a has 16 files"]
    long = {f"{package}a.py": "\n" * (MOST_LINES + 1), f"{package}b.py": "\n" * MOST_LINES}
    assert files_too_long(long) == [f"{package}a.py has 401 lines"]
    assert median_length(long | {f"{LINT_RULES}a.py": "", f"{package}__init__.py": ""}) == 400.5
    twice = {
        ERRORS: "class Gone: ...",
        f"{PACKAGES[1]}errors.py": "class Gone: ...",
        f"{package}a.py": "class Twice: ...",
        f"{package}b.py": "def f():\n    class Twice: ...",
        "tests/a.py": "class Twice: ...",
    }
    assert repeated_class_names(twice) == [f"Twice is defined in {package}a.py and {package}b.py"]
    again = twice | {f"{PACKAGES[1]}other.py": "class Gone: ..."}
    assert [line.split(" is ")[0] for line in repeated_class_names(again)] == ["Gone", "Twice"]
    assert is_generated('"""Methods.\n\nGenerated from a.proto by a tool. Never edited.\n"""\n')
    assert not is_generated('"""Generated policies for tests."""\n')
