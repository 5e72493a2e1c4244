"""The version of mesh-egress: declared in the workspace's pyproject.toml, and copied to both packages by this tool.

The build backend takes no version from elsewhere, so the packages need a copy; `make check` compares them.

    python tools/version.py            prints the version
    python tools/version.py 1.2.3      sets it everywhere, and gives the changelog a section for it
    python tools/version.py --check    exit 1 if a package has another version
"""

import datetime
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKSPACE = "pyproject.toml"
PACKAGES = ("server/pyproject.toml", "sdk/pyproject.toml")
UNRELEASED = "## [Unreleased]\n"


def version_of(project: Path) -> str:
    """The version in a pyproject.toml."""
    return str(tomllib.loads(project.read_text())["project"]["version"])


def differences(root: Path) -> Iterator[str]:
    """One line for each package whose version is not that of the workspace."""
    version = version_of(root / WORKSPACE)
    for package in PACKAGES:
        if (copy := version_of(root / package)) != version:
            yield f"{package} has version {copy}, {WORKSPACE} has {version}: run `make version TO={version}`"


def set_version(root: Path, version: str, today: datetime.date) -> None:
    """Writes the version to all projects. What the changelog has as unreleased becomes its section."""
    for project in (WORKSPACE, *PACKAGES):
        path = root / project
        path.write_text(re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', path.read_text(), count=1))
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    if f"## [{version}]" not in text:
        changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n## [{version}] - {today}\n", 1))


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """The exit code; 2 for a wrong argument."""
    match arguments:
        case []:
            print(version_of(root / WORKSPACE))
            return 0
        case ["--check"]:
            found = list(differences(root))
            print("\n".join(found), end="\n" if found else "")
            return 1 if found else 0
        case [version] if re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
            set_version(root, version, datetime.datetime.now(datetime.UTC).date())
            return 0
    print("usage: version.py [1.2.3 | --check]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
