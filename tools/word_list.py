"""Finds phrases that a reader of plain technical English would stumble over. The list is in word_list.toml.

It reads user-facing strings, comments, docstrings, proto comments and Markdown (tools/prose.py). A text that is quoted
from elsewhere and has to stay is excused on its line, or the line before it, by `wording: ` and the reason.

    python tools/word_list.py [PATH...]    exit 1 and one line per finding, in tracked files below the paths
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.prose import prose  # noqa: E402 - run as a script, this folder is on the path and the repository is not

# Generated from the proto files, or copied from elsewhere.
NOT_WRITTEN_HERE = ("proto/third_party/", "sdk/src/egress/v1/", "LICENSE")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A banned phrase: how to find it, what to write instead, and examples of what it finds and what it lets pass."""

    pattern: re.Pattern[str]
    use: str
    hits: Sequence[str]
    passes: Sequence[str]


def phrases() -> Sequence[Phrase]:
    """The list, in its order."""
    table = tomllib.loads((ROOT / "tools" / "word_list.toml").read_text())
    return [
        Phrase(re.compile(row["pattern"].replace(" ", r"\s"), re.IGNORECASE), row["use"], row["hits"], row["passes"])
        for row in table["phrase"]
    ]


def findings(path: Path, content: str, banned: Sequence[Phrase]) -> Iterator[str]:
    """One line per banned phrase in the text of a file."""
    lines = content.splitlines()
    for block in prose(path, content):
        text = re.sub(r"[ \t]*\n[ \t]*", "\n", block.text)
        for phrase in banned:
            for match in phrase.pattern.finditer(text):
                line = block.line + text.count("\n", 0, match.end())
                if not any(_EXCUSE.search(text) for text in lines[max(line - 2, 0) : line]):
                    found = " ".join(match.group().split())
                    yield f"{path}:{line}: {found!r}: write: {phrase.use}"


_EXCUSE = re.compile(r"\bwording: \w+")


def tracked(paths: Sequence[str], root: Path = ROOT) -> list[Path]:
    """The files below the paths that git knows, or all."""
    command = ["git", "ls-files", "-z", "--", *paths]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    names = (name for name in listing.split("\0") if name and not name.startswith(NOT_WRITTEN_HERE))
    return [path for path in map(Path, names) if (root / path).is_file()]


def main(paths: Sequence[str], root: Path = ROOT) -> int:
    """Exit code 0 when nothing is found."""
    banned = phrases()
    found = 0
    for path in tracked(paths, root):
        try:
            content = (root / path).read_text()
        except UnicodeDecodeError:
            continue
        for finding in findings(path, content, banned):
            print(finding)
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
